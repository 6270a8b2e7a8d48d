import 'uplot/dist/uPlot.min.css'
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'

export interface Line {
  readonly name: string
  readonly values: readonly (number | null)[]
  readonly tone: 'note' | 'good' | 'warn' | 'bad' | 'calm'
  readonly filled?: boolean
}

interface ChartProps {
  /** In ms since the epoch. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  /** In words, for who does not see it. */
  readonly label: string
  readonly unit: (value: number) => string
  readonly height?: number
  /** Without axes. */
  readonly bare?: boolean
  /** Moments at which something changed, in ms since the epoch. */
  readonly marks?: readonly number[]
}

/** Values over time. */
export default function Chart({ times, lines, label, unit, height = 190, bare = false, marks = NO_MARKS }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme('light')
  const shape = JSON.stringify([lines.map(({ name, tone, filled }) => [name, tone, filled]), bare, height, scheme])
  const chart = useRef<uPlot>(undefined)
  const markRef = useRef(marks)
  markRef.current = marks
  const data = [times.map((at) => at / 1000), ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
  const dataRef = useRef(data)
  dataRef.current = data

  // Made anew only where it looks otherwise; what it shows is set below
  useEffect(() => {
    const element = place.current
    if (!element) return
    const style = getComputedStyle(document.documentElement)
    const color = (name: string) => style.getPropertyValue(name).trim()
    const axis = {
      stroke: color('--mantine-color-dimmed'),
      grid: { stroke: color('--weft-line'), width: 1 },
      ticks: { show: false },
      font: "11px 'Inter Variable'",
    }
    const options: uPlot.Options = {
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { show: !bare, y: false, points: { size: 6 } },
      ...(bare ? { padding: [2, 0, 2, 0] } : {}),
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.12 : 1] } },
      axes: [
        { ...axis, show: !bare, size: 28, grid: { show: false }, values: (_, splits) => splits.map(timeText) },
        { ...axis, show: !bare, size: 56, values: (_, splits) => splits.map(unit) },
      ],
      series: [
        {},
        ...lines.map(({ name, tone, filled }) => {
          const stroke = color(`--weft-mark-${tone}`)
          return {
            label: name,
            stroke,
            width: 1.75,
            points: { show: false },
            spanGaps: false,
            ...(filled ? { fill: `${stroke}22` } : {}),
          }
        }),
      ],
      hooks: { draw: [(self) => drawMarks(self, markRef.current, color('--weft-mark-calm'))] },
    }
    const made = new uPlot(options, dataRef.current, element)
    chart.current = made
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
      chart.current = undefined
    }
  }, [shape])

  useEffect(() => chart.current?.setData(data))
  return <div ref={place} className="chart" role="img" aria-label={label} />
}

const NO_MARKS: readonly number[] = []

function timeText(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hour12: false })
}

function drawMarks({ ctx, bbox, valToPos }: uPlot, marks: readonly number[], color: string): void {
  ctx.save()
  ctx.strokeStyle = color
  ctx.setLineDash([4, 4])
  for (const at of marks) {
    const x = valToPos(at / 1000, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
  }
  ctx.restore()
}
