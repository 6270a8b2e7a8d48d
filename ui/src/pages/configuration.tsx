import { Link, useSearch } from 'wouter'
import type { ObjectRow } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ObjectPlace, objectPath } from '../parts/objects.tsx'
import { Page } from '../parts/page.tsx'
import { FindingTags } from '../parts/tag.tsx'

/** All that people wrote. */
export function ConfigurationPage() {
  const answer = useConsole<readonly ObjectRow[]>('objects', 'objects', 'findings')
  const name = new URLSearchParams(useSearch()).get('name') ?? ''
  return (
    <Page title="Objects" lead="What was written for the mesh: Istio's, the Gateway API's and Kubernetes' own kinds.">
      <Card flush>
        <Answered to={answer}>
          {(rows) => (
            <DataTable
              label="Objects"
              rows={rows}
              columns={COLUMNS}
              filter={name}
              rowKey={({ id, key }) => `${id} ${key}`}
              text={({ id, key, file = '' }) => `${id} ${key} ${file}`}
              empty={<Empty title="Nothing is written yet">Put YAML into the files that the mesh follows.</Empty>}
            />
          )}
        </Answered>
      </Card>
    </Page>
  )
}

const COLUMNS: readonly Column<ObjectRow>[] = [
  { title: 'Kind', by: ({ kind }) => kind, cell: ({ kind }) => kind },
  {
    title: 'Name',
    by: ({ key }) => key,
    cell: (object) => (
      <Link className="link" to={objectPath(object)}>
        {object.key}
      </Link>
    ),
  },
  {
    title: 'Group',
    by: ({ id }) => id,
    cell: ({ id }) => <span className="sub">{id.slice(0, id.lastIndexOf('/'))}</span>,
  },
  {
    title: 'Written in',
    by: ({ file = '', line = 0 }) => `${file}:${line}`,
    cell: (object) => <ObjectPlace object={object} />,
  },
  {
    title: 'Findings',
    by: ({ findings }) => findings.error * 1000 + findings.warning,
    cell: ({ findings }) => <FindingTags findings={findings} />,
  },
]
