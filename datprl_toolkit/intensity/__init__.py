"""Physical values to and from the network's [0, 1]: profiles, taper, residual, strength.

One room for medical and remote-sensing images alike. It knows numbers and units, not where they come from.
"""

from datprl_toolkit.intensity.profile import IntensityProfile

__all__ = ["IntensityProfile"]
