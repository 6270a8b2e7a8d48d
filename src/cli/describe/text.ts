import type { Message } from '../../resources/message.ts'
import { keyOf, type Resource } from '../../resources/resource.ts'
import { messageBlock } from '../message-text.ts'
import { styled } from '../style.ts'

/** `VirtualService shop/reviews` */
export function objectText(object: Resource): string {
  return `${object.kind} ${keyOf(object)}`
}

/** A heading, and lines below it; nothing where there are none. */
export function section(heading: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', styled('bold', heading), ...lines.map((line) => `  ${line}`)]
}

/** What was found wrong with any of these objects, or with the traffic of one proxy. */
export function findings(messages: readonly Message[], objects: readonly Resource[]): readonly string[] {
  const names = new Set(objects.map(objectText))
  const found = messages.filter(({ object }) => object !== undefined && names.has(object))
  return found.length === 0 ? [] : ['', ...found.map(messageBlock)]
}
