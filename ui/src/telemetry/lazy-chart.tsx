import { type ComponentProps, lazy, Suspense } from 'react'

/** What draws is not needed to see a first page. */
const Chart = lazy(() => import('./chart.tsx'))

export function LazyChart(props: ComponentProps<typeof Chart>) {
  return (
    <Suspense fallback={<div style={{ height: props.height ?? 190 }} />}>
      <Chart {...props} />
    </Suspense>
  )
}
