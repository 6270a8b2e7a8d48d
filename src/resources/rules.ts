/** The rules by which objects are read, with what each means: for the reference of messages. */
export const RESOURCE_RULES = {
  'bad-name': 'The name of an object or namespace is not one that Kubernetes takes.',
  'broken-yaml': 'A document is not valid YAML. The other documents of the file are read all the same.',
  'duplicate-item': 'A list holds an item twice that it may hold once.',
  'duplicate-key': 'A key is given twice in one map, so that one of the values would be lost.',
  'exclusive-fields': 'Several fields are set of which only one can be.',
  'file-too-large': 'A file is larger than what is read, and most likely no configuration.',
  'kind-not-used': 'An object is of a kind that Weft does not act upon: it is left alone.',
  'missing-field': 'A field that is needed is not there.',
  'more-problems': 'An object has more problems than are shown.',
  'namespace-ignored': 'An object of a kind that is in no namespace names one.',
  'not-allowed-value': 'A field is set to something else than the values that it can have.',
  'not-an-object': 'A document is no Kubernetes object.',
  'not-utf8': 'A file is not text in UTF-8.',
  'out-of-range': 'A number is too small or too large.',
  'template-not-rendered': 'A file is a template, not yet the YAML that it is for.',
  'too-long': 'A text or list is longer than it can be.',
  'too-many-aliases': 'The aliases in a document stand for so many values that it is taken for an attack.',
  'too-short': 'A text or list is shorter than it must be.',
  'unknown-field': 'There is no field of that name at that place: it is misspelled, or belongs elsewhere.',
  'unknown-kind': 'There is no kind of that name in that API group.',
  'unsupported-version': 'A kind is known, but not in that version of its API.',
  'wrong-format': 'A text is not of the form that it must have.',
  'wrong-type': 'A field is set to a value of another type: a number for a string, a map for a list.',
} as const

export type ResourceRule = keyof typeof RESOURCE_RULES
