import type { ObjectRow } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { ObjectLink } from '../parts/objects.tsx'
import { Page } from '../parts/page.tsx'
import { FindingTags } from '../parts/tag.tsx'
import { CallTrial } from '../policies/call-trial.tsx'

const KINDS: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'who may call whom',
  PeerAuthentication: 'mutual TLS that workloads ask for',
  RequestAuthentication: 'tokens of requests',
}

/** Policies, and a call to try against them. */
export function PoliciesPage() {
  const answer = useConsole<readonly ObjectRow[]>('objects', 'objects', 'findings')
  return (
    <Page
      title="Policies"
      lead="Who may call whom. Try a call, and see by which rule it is allowed or refused: nothing is sent."
    >
      <div className="grid">
        <CallTrial />
        <Card title="Policies" span={5} flush>
          <Answered to={answer}>
            {(rows) => <PolicyList rows={rows.filter(({ id }) => id.startsWith('security.istio.io/'))} />}
          </Answered>
        </Card>
      </div>
    </Page>
  )
}

function PolicyList({ rows }: { readonly rows: readonly ObjectRow[] }) {
  if (rows.length === 0)
    return (
      <Empty title="There are no policies">
        Whoever reaches a workload may call it. An AuthorizationPolicy says who may; a PeerAuthentication asks for
        mutual TLS.
      </Empty>
    )
  return (
    <ul className="list">
      {rows.map((row) => (
        <li key={`${row.id} ${row.key}`} className="row">
          <div className="grow">
            <ObjectLink object={row} />
            <div className="sub">{KINDS[row.kind]}</div>
          </div>
          <FindingTags findings={row.findings} />
        </li>
      ))}
    </ul>
  )
}
