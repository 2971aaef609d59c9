"""Every installed node in the engines that people already have; each adapter is made from the nodes' own schema."""
