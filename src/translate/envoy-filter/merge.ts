import type { DescField, DescMessage, Message, MessageShape } from '@bufbuild/protobuf'
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt'
import { envoyTypes } from './envoy-types.ts'

/**
 * Merges what `patch` sets into `target`, as protobuf merges messages: fields of messages one by one, lists are appended to (or, where asked for, replaced), single values replaced.
 * An extension's configuration (`google.protobuf.Any`) is merged where both are of one type, and replaced otherwise, as Istio does. Changes `target`.
 */
export function mergeMessage<D extends DescMessage>(schema: D, target: Message, patch: Message, lists: Lists): void {
  mergeReflected(reflect(schema, target as MessageShape<D>), reflect(schema, patch as MessageShape<D>), lists)
}

/** What becomes of a list that a patch sets. */
export type Lists = 'append' | 'replace'

function mergeReflected(target: ReflectMessage, patch: ReflectMessage, lists: Lists): void {
  for (const field of patch.fields) if (patch.isSet(field)) mergeField(target, patch, field, lists)
}

function mergeField(target: ReflectMessage, patch: ReflectMessage, field: DescField, lists: Lists): void {
  if (field.fieldKind === 'list') {
    const list = target.get(field)
    if (lists === 'replace') list.clear()
    for (const item of patch.get(field)) list.add(item)
    return
  }
  if (field.fieldKind === 'map') {
    const map = target.get(field)
    for (const [key, value] of patch.get(field)) map.set(key, value)
    return
  }
  const value = patch.get(field)
  const old = target.isSet(field) ? target.get(field) : undefined
  if (!isReflectMessage(value) || !isReflectMessage(old)) target.set(field, value)
  else if (field.message?.typeName === 'google.protobuf.Any')
    target.set(field, reflect(value.desc, mergedAny(old.message as Any, value.message as Any, lists)))
  else if (field.message?.typeName.startsWith('google.protobuf.')) target.set(field, value)
  else mergeReflected(old, value, lists)
}

function mergedAny(old: Any, patch: Any, lists: Lists): Any {
  if (old.typeUrl !== patch.typeUrl) return patch
  const types = envoyTypes()
  const schema = types.getMessage(patch.typeUrl.slice(patch.typeUrl.lastIndexOf('/') + 1))
  const [target, source] = [anyUnpack(old, types), anyUnpack(patch, types)]
  if (!schema || !target || !source) return patch
  mergeMessage(schema, target, source, lists)
  return anyPack(schema, target)
}
