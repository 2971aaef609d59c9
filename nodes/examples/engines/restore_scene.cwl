# One node as a tool of the Common Workflow Language.
# cwltool --outdir OUT nodes/examples/engines/restore_scene.cwl --scene scene.tif --strength 0.5
cwlVersion: v1.2
class: CommandLineTool
label: Restore a georeferenced scene with the DATPRL-IR network
requirements:
  EnvVarRequirement:
    envDef:
      DATPRL_WEIGHTS: $(inputs.weights_folder)
baseCommand: [datprl, node, run, restore_scene]
inputs:
  scene:
    type: File
    inputBinding: {prefix: --input}
  output_name:
    type: string
    default: restored.tif
    inputBinding: {prefix: --output}
  weights:
    type: string
    default: small
    inputBinding: {prefix: --set, valueFrom: "weights=$(self)"}
  weights_folder:
    doc: Folder of more weights; empty for those that are shipped
    type: string
    default: ""
  strength:
    type: float
    default: 1.0
    inputBinding: {prefix: --set, valueFrom: "strength=$(self)"}
outputs:
  restored:
    type: File
    outputBinding: {glob: $(inputs.output_name)}
