import { IconCheck, IconExclamationMark } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Attention, Overview } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { sentence } from '../parts/findings.tsx'
import { Page } from '../parts/page.tsx'
import { ShareBar } from '../parts/share-bar.tsx'
import { plural, SEVERITY_TONES, Tag } from '../parts/tag.tsx'
import { ago, percent } from '../parts/time.ts'
import { BusiestServices } from '../telemetry/busiest-services.tsx'
import { type FailingService, useFailingServices } from '../telemetry/by-service.ts'
import { LatestChanges } from '../telemetry/latest-changes.tsx'
import { SignalStats } from '../telemetry/signal-stats.tsx'
import { whyPath } from '../telemetry/why-link.tsx'

export function OverviewPage() {
  const answer = useConsole<Overview>('overview', 'objects', 'findings', 'proxies', 'certificates', 'alerts')
  return (
    <Page title="Overview" lead={answer.data && <Lead overview={answer.data} />}>
      <Answered to={answer}>{(overview) => <Whole overview={overview} />}</Answered>
    </Page>
  )
}

function Lead({ overview: { mesh } }: { readonly overview: Overview }) {
  return (
    <>
      {mesh.place === 'files' ? 'Mesh on this machine' : 'Mesh on a cluster'}, trust domain {mesh.trustDomain}, server
      started {ago(mesh.startedAt)}
    </>
  )
}

function Whole({ overview }: { readonly overview: Overview }) {
  const failing = useFailingServices('5m')
  const { counts, proxies, certificates, mtls } = overview
  const connected = proxies.synced + proxies.updating + proxies.rejected
  return (
    <div className="grid">
      <Card span={12}>
        <Health overview={overview} failing={failing} />
      </Card>
      <SignalStats last="5m" />
      <Stat
        name="Services"
        value={counts.services}
        to="/services"
        more={`in ${plural(counts.namespaces, 'namespace')}`}
      />
      <Stat
        name="Workloads"
        value={counts.workloads}
        to="/workloads"
        more={`${plural(counts.pods, 'proxy', 'proxies')}, ${plural(counts.gateways, 'gateway')}`}
      />
      <Stat
        name="Proxies in sync"
        value={proxies.synced}
        unit={`of ${connected + proxies.disconnected}`}
        to="/proxies"
        more={proxies.disconnected > 0 ? `${proxies.disconnected} not connected` : 'all are connected'}
      />
      <Stat
        name="Certificates held"
        value={certificates.held}
        to="/certificates"
        more={certificates.ending > 0 ? `${certificates.ending} not renewed in time` : 'renewed by themselves'}
      />
      <Card
        title="Needs attention"
        span={7}
        flush
        aside={
          overview.attention.length > 0 && (
            <Link className="plain" to="/findings">
              All findings
            </Link>
          )
        }
      >
        <AttentionList overview={overview} failing={failing} />
      </Card>
      <div className="column span-5">
        <Card title="What workloads ask of their clients">
          <ShareBar
            label="Workloads by what they ask of their clients"
            shares={[
              { name: 'mutual TLS only', count: mtls.strict, tone: 'good' },
              { name: 'mutual TLS or plaintext', count: mtls.permissive, tone: 'note' },
              { name: 'differs by port', count: mtls.mixed, tone: 'calm' },
              { name: 'no mutual TLS', count: mtls.disabled, tone: 'warn' },
            ]}
          />
        </Card>
        <LatestChanges />
      </div>
      <BusiestServices last="5m" />
    </div>
  )
}

interface StandingProps {
  readonly overview: Overview
  readonly failing: readonly FailingService[]
}

function Health({ overview: { findings, proxies, certificates, mesh }, failing }: StandingProps) {
  const troubles = [
    ...(failing.length > 0 ? [`requests to ${plural(failing.length, 'service')} fail`] : []),
    ...(mesh.waitingFor.length > 0 ? [`waiting for ${mesh.waitingFor.join(', ')}`] : []),
    ...(findings.error > 0 ? [plural(findings.error, 'error')] : []),
    ...(findings.warning > 0 ? [plural(findings.warning, 'warning')] : []),
    ...(proxies.rejected > 0 ? [`${plural(proxies.rejected, 'proxy', 'proxies')} refused configuration`] : []),
    ...(proxies.disconnected > 0 ? [`${plural(proxies.disconnected, 'proxy', 'proxies')} not connected`] : []),
    ...(certificates.ending > 0 ? [`${plural(certificates.ending, 'certificate')} about to end`] : []),
  ]
  const isBad = findings.error + proxies.rejected + failing.length > 0
  const tone = troubles.length === 0 ? 'good' : isBad ? 'bad' : 'warn'
  return (
    <div className="headline">
      <span className={`sign tag ${tone}`} style={{ borderRadius: 10, padding: 0 }}>
        {tone === 'good' ? (
          <IconCheck size={22} aria-hidden="true" />
        ) : (
          <IconExclamationMark size={22} aria-hidden="true" />
        )}
      </span>
      <div>
        <strong style={{ fontSize: 16 }}>
          {tone === 'good' ? 'Everything is as it should be' : isBad ? 'Something is wrong' : 'Some things to look at'}
        </strong>
        <div className="muted">
          {tone === 'good'
            ? 'Every proxy has its configuration, nothing was found against it, and requests are answered.'
            : sentence(troubles.join(', '))}
        </div>
      </div>
    </div>
  )
}

function AttentionList({ overview: { attention, moreAttention }, failing }: StandingProps) {
  if (attention.length + failing.length === 0)
    return (
      <div className="empty">
        <IconCheck size={28} aria-hidden="true" />
        <strong>Nothing needs you</strong>
        Requests that fail come here, what alerts, and what is wrong with configuration, proxies and certificates.
      </div>
    )
  return (
    <>
      <ul className="list">
        {failing.map(({ host, errorShare }) => (
          <li key={host} className="row top">
            <Tag tone="bad">failing</Tag>
            <div className="grow wrap">
              <Link className="link" to={whyPath({ destination: { service: host } }, '15m')}>
                {host}
              </Link>
              <div>{percent(errorShare)} of its requests failed in the last 5 minutes. See why.</div>
            </div>
          </li>
        ))}
        {attention.map((one) => (
          <AttentionRow key={`${one.title} ${one.detail}`} one={one} />
        ))}
      </ul>
      {moreAttention > 0 && <p className="sub card-body">And {moreAttention} more.</p>}
    </>
  )
}

function AttentionRow({ one: { severity, title, field, detail, remedy, to } }: { readonly one: Attention }) {
  return (
    <li className="row top">
      <Tag tone={SEVERITY_TONES[severity]}>{severity}</Tag>
      <div className="grow wrap">
        <Link className="link" to={to}>
          {title}
        </Link>{' '}
        {field && <span className="mono muted">{field}</span>}
        <div>{sentence(detail)}</div>
        {remedy && <div className="sub">{sentence(remedy)}</div>}
      </div>
    </li>
  )
}

interface StatProps {
  readonly name: string
  readonly value: ReactNode
  readonly unit?: string
  readonly more?: ReactNode
  readonly to: string
}

function Stat({ name, value, unit, more, to }: StatProps) {
  return (
    <div className="card span-3">
      <Link className="stat" to={to}>
        <div className="name">{name}</div>
        <div className="value">
          {value}
          {unit && <small>{unit}</small>}
        </div>
        {more && <div className="more">{more}</div>}
      </Link>
    </div>
  )
}
