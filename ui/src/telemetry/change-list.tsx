import { Link } from 'wouter'
import type { ConfigurationChange } from '../../../src/telemetry/questions/changes.ts'
import { Tag } from '../parts/tag.tsx'
import { ago, clock } from '../parts/time.ts'

const TONES = { added: 'good', changed: 'note', removed: 'warn' } as const

/** The newest first. */
export function ChangeList({ changes }: { readonly changes: readonly ConfigurationChange[] }) {
  return (
    <ul className="list">
      {changes.map(({ id, at, kind, namespace, name, how, by, fields }) => (
        <li key={id} className="row top">
          <Tag tone={TONES[how]}>{how}</Tag>
          <div className="grow wrap">
            <Link className="link" to={`/configuration?${new URLSearchParams({ name })}`}>
              <span className="muted">{kind}</span> {namespace ? `${namespace}/${name}` : name}
            </Link>
            {fields.length > 0 && (
              <div className="sub mono">
                {fields.slice(0, 3).join(', ')}
                {fields.length > 3 && ' …'}
              </div>
            )}
            {by && <div className="sub">{by.split('/').slice(-2).join('/')}</div>}
          </div>
          <time className="sub" dateTime={new Date(at).toISOString()} title={clock(at)}>
            {ago(at)}
          </time>
        </li>
      ))}
    </ul>
  )
}
