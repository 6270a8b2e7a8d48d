import { Link } from 'wouter'
import type { ObjectRef, ObjectSay } from '../../../src/server/console/answers.ts'
import { Empty } from './answered.tsx'

export function objectPath({ id, key }: Pick<ObjectRef, 'id' | 'key'>): string {
  return `/configuration/${encodeURIComponent(id)}/${key}`
}

/** `VirtualService default/reviews`, leading to it, and below it where it was written. */
export function ObjectLink({ object }: { readonly object: ObjectRef }) {
  return (
    <span>
      <Link className="link" to={objectPath(object)}>
        <span className="muted">{object.kind}</span> {object.key}
      </Link>
      <ObjectPlace object={object} />
    </span>
  )
}

export function ObjectPlace({ object: { file, line } }: { readonly object: ObjectRef }) {
  if (file === undefined) return null
  return (
    <span className="sub mono" title={file} style={{ display: 'block' }}>
      {file.split('/').slice(-2).join('/')}:{line}
    </span>
  )
}

/** Objects, and what each has to do with what is shown. */
export function ObjectList({ objects, none }: { readonly objects: readonly ObjectSay[]; readonly none: string }) {
  if (objects.length === 0) return <Empty title={none} />
  return (
    <ul className="list">
      {objects.map((object) => (
        <li key={`${object.id} ${object.key}`}>
          <ObjectLink object={object} />
          <div className="sub">{object.how}</div>
        </li>
      ))}
    </ul>
  )
}
