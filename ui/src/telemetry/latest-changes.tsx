import { Link } from 'wouter'
import { Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { ChangeList } from './change-list.tsx'
import { useChanges } from './questions.ts'

/** The last few things that were configured. Nothing where that is not remembered. */
export function LatestChanges() {
  const { data, isError } = useChanges('24h', 6)
  if (isError) return null
  return (
    <Card
      title="Latest changes"
      flush
      aside={
        <Link className="plain" to="/changes">
          All
        </Link>
      }
    >
      {data && data.length > 0 ? <ChangeList changes={data} /> : <Empty title="Nothing changed today" />}
    </Card>
  )
}
