/** The rules by which files are found and read, and by which a local cluster runs what is in them: for the reference of messages. */
export const SOURCE_RULES = {
  'broken-image-map': 'The image map cannot be read, or is no image map: what was read of it before stays in force.',
  'duplicate-object': 'An object of the same kind, namespace and name is written twice: the first one counts.',
  'empty-folder': 'There is no YAML or JSON file in a folder that was named.',
  'environment-not-given': 'A variable of a container comes from a ConfigMap, Secret or field that is not there.',
  'file-not-found': 'There is no file or folder of a name that was given.',
  'file-not-readable': 'A file may not or cannot be read.',
  'init-containers-not-run': 'A pod has init containers, which do not run on a laptop.',
  'no-program-for-image': 'No local program stands in for the image of a container: its pods stay pending.',
  'not-on-a-laptop': 'A field of a pod that a kubelet acts upon has no effect where containers are local processes.',
  'selector-not-in-template': "A Deployment's selector does not match the labels of its own pods.",
} as const
