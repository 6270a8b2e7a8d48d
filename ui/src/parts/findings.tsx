import { Link } from 'wouter'
import type { Message } from '../../../src/server/console/answers.ts'
import { SEVERITY_TONES, Tag } from './tag.tsx'

/** Findings, each with what is wrong and what would be right. */
export function FindingList({ messages }: { readonly messages: readonly Message[] }) {
  return (
    <ul className="list">
      {messages.map((message) => (
        <Finding key={`${message.rule} ${message.object} ${message.field} ${message.problem}`} message={message} />
      ))}
    </ul>
  )
}

function Finding({ message }: { readonly message: Message }) {
  const { severity, object, field, problem, remedy, position, rule } = message
  return (
    <li className="row top">
      <Tag tone={SEVERITY_TONES[severity]}>{severity}</Tag>
      <div className="grow">
        <div className="wrap">
          {object && <strong>{object}</strong>} {field && <span className="mono muted">{field}</span>}
        </div>
        <div className="wrap">{sentence(problem)}</div>
        <div className="sub wrap">{sentence(remedy)}</div>
        <div className="sub wrap">
          {position && (
            <span className="mono" title={position.file}>
              {position.file.split('/').slice(-2).join('/')}:{position.line} ·{' '}
            </span>
          )}
          <Link className="plain" to={`/findings?rule=${encodeURIComponent(rule)}`}>
            {rule}
          </Link>
        </div>
      </div>
    </li>
  )
}

export function sentence(text: string): string {
  return text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
