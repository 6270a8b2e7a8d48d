import { Switch } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { CertificateRow, CertificatesView } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { Tag } from '../parts/tag.tsx'
import { duration } from '../parts/time.ts'

/** Who holds which certificate, until when. */
export function CertificatesPage() {
  const answer = useConsole<CertificatesView>('certificates', 'certificates', 'proxies')
  const [all, setAll] = useState(false)
  return (
    <Page
      title="Certificates"
      lead="Every certificate that the mesh gave out. They are renewed by themselves, after half of their life."
    >
      <Answered to={answer}>
        {({ authority, certificates }) => (
          <div className="grid">
            <Card title="Authority">
              {authority ? (
                <Authority authority={authority} />
              ) : (
                <span className="muted">This server signs nothing.</span>
              )}
            </Card>
            <Card title="Given out" flush>
              <DataTable
                label="Certificates"
                rows={certificates.filter(({ usedBy }) => all || usedBy.length > 0)}
                columns={COLUMNS}
                rowKey={({ serial }) => serial}
                text={({ spiffeId, serial, usedBy, node = '' }) => `${spiffeId} ${serial} ${usedBy.join(' ')} ${node}`}
                tools={
                  <Switch
                    size="xs"
                    label="Those that nobody holds, too"
                    checked={all}
                    onChange={(event) => setAll(event.currentTarget.checked)}
                  />
                }
                empty={<Empty title="Nobody holds a certificate">Workloads get theirs when their pods start.</Empty>}
              />
            </Card>
          </div>
        )}
      </Answered>
    </Page>
  )
}

function Authority({ authority }: { readonly authority: NonNullable<CertificatesView['authority']> }) {
  const { trustDomain, selfMade, root, issuer, rotating, blocked } = authority
  return (
    <dl className="facts">
      <dt>Trust domain</dt>
      <dd>{trustDomain}</dd>
      <dt>Root</dt>
      <dd>
        <span className="mono">{root.slice(0, 32)}…</span> {selfMade && <Tag>made by Weft</Tag>}
      </dd>
      {issuer && (
        <>
          <dt>Signed by</dt>
          <dd className="mono">{issuer}</dd>
        </>
      )}
      <dt>Rotation</dt>
      <dd>{rotating ? <Tag tone="note">{rotating}</Tag> : 'none under way'}</dd>
      <dt>Blocked</dt>
      <dd>{blocked.length > 0 ? <span className="mono">{blocked.join(', ')}</span> : 'nobody'}</dd>
    </dl>
  )
}

const COLUMNS: readonly Column<CertificateRow>[] = [
  {
    title: 'Identity',
    by: ({ spiffeId }) => spiffeId,
    cell: ({ spiffeId, serial }) => (
      <>
        <span className="mono wrap">{spiffeId}</span>
        <div className="sub mono wrap">{serial}</div>
      </>
    ),
  },
  {
    title: 'Held by',
    by: ({ usedBy }) => usedBy.join(' '),
    cell: ({ usedBy }) =>
      usedBy.length === 0 ? (
        <span className="muted">nobody</span>
      ) : (
        usedBy.map((who) => (
          <div key={who}>
            {who.includes('/') ? (
              <Link className="plain" to={`/proxies/${who}`}>
                {who}
              </Link>
            ) : (
              who
            )}
          </div>
        ))
      ),
  },
  { title: 'Key', by: ({ key = '' }) => key, cell: ({ key }) => key ?? '–' },
  { title: 'Node', by: ({ node = '' }) => node, cell: ({ node }) => node ?? '–' },
  { title: 'Ends', by: ({ notAfter }) => notAfter, cell: (certificate) => <Life certificate={certificate} /> },
]

/** What is left of its life, with a bar. */
function Life({ certificate: { notBefore, notAfter } }: { readonly certificate: CertificateRow }) {
  const [start, end, now] = [Date.parse(notBefore), Date.parse(notAfter), Date.now()]
  const left = Math.max(0, Math.min(1, (end - now) / (end - start)))
  const tone = left === 0 ? 'bad' : left < 0.2 ? 'warn' : 'good'
  return (
    <div style={{ minWidth: 120 }} title={`${notBefore} – ${notAfter}`}>
      {left === 0 ? `${duration(now - end)} ago` : `in ${duration(end - now)}`}
      <div className="bar" style={{ marginTop: 5, height: 5 }} aria-hidden="true">
        <span className={`dot ${tone}`} style={{ width: `${left * 100}%`, height: 5, borderRadius: 0 }} />
      </div>
    </div>
  )
}
