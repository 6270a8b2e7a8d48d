import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'

/** The fields of a message that is not made yet: a plain object, which can be spread into another. */
export type Init<D extends DescMessage> = Exclude<MessageInitShape<D>, MessageShape<D>>
