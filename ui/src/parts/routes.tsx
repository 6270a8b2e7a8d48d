import { IconArrowRight } from '@tabler/icons-react'
import type { RouteRuleView, RouteView } from '../../../src/server/console/answers.ts'
import { ObjectLink } from './objects.tsx'
import { Tag } from './tag.tsx'

interface RoutesProps {
  readonly routes: readonly RouteView[]
  /** Of the service, and its versions: for where nothing is said. */
  readonly name: string
  readonly versions: readonly string[]
}

/** Rules in the order in which they are tried: what each matches, and where that goes. */
export function Routes({ routes, name, versions }: RoutesProps) {
  if (routes.length === 0) {
    const among = versions.length > 1 ? `, of ${versions.join(', ')} alike` : ''
    return (
      <>
        <Rule rule={{ matches: [], targets: [{ text: `${name}: all endpoints${among}`, share: 100 }], effects: [] }} />
        <p className="sub">No route is for it. Shift traffic to make one.</p>
      </>
    )
  }
  return (
    <div className="routes">
      {routes.map((route) => (
        <section key={`${route.id} ${route.key}`} className="routes" aria-label={`${route.kind} ${route.key}`}>
          <div className="row">
            <ObjectLink object={route} />
            <span className="sub">{route.how}</span>
          </div>
          {route.rules.map((rule, at) => (
            // A rule is its place
            <Rule key={at} rule={rule} />
          ))}
        </section>
      ))}
    </div>
  )
}

function Rule({ rule: { name, matches, targets, effects } }: { readonly rule: RouteRuleView }) {
  return (
    <div className="rule">
      <div className="when">
        {name && <div className="sub">{name}</div>}
        {matches.length === 0 ? (
          <span className="muted">every request</span>
        ) : (
          matches.map((match, at) => (
            <div key={match}>
              {at > 0 && <span className="muted">or </span>}
              {match}
            </div>
          ))
        )}
      </div>
      <div className="arrow">
        <IconArrowRight size={18} aria-label="goes to" />
      </div>
      <div className="targets">
        {targets.map(({ text, share }, at) => (
          // A target is its place
          <div key={at} className="target">
            <span className="fill" style={{ width: `${share}%` }} aria-hidden="true" />
            <span>{text}</span>
            <strong className="number">{share} %</strong>
          </div>
        ))}
        {effects.length > 0 && (
          <div className="row">
            {effects.map((effect) => (
              <Tag key={effect}>{effect}</Tag>
            ))}
          </div>
        )}
      </div>
    </div>
  )
}
