import type { Dashboard, Panel, Variable } from './dashboard.ts'

const SOURCE = { type: 'prometheus', uid: '$datasource' } as const
const HEIGHTS: Readonly<Record<Panel['kind'], number>> = { lines: 8, number: 4, table: 9 }
const WIDTH = 24

/** Grafana's JSON model of a dashboard, as it is imported or provisioned (schema 39: Grafana 10.4 and newer). */
export function grafanaDashboard({ name, title, about, variables, rows }: Dashboard): unknown {
  return {
    uid: name,
    title,
    description: about,
    tags: ['weft'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    links: [{ type: 'dashboards', tags: ['weft'], title: 'Weft', asDropdown: true, includeVars: true, keepTime: true }],
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        ...variables.map(variable),
      ],
    },
    panels: placed(rows),
  }
}

/** PromQL with what Grafana puts in the place of our names. */
function grafanaQuery(expression: string): string {
  return expression.replaceAll('$rate', '$__rate_interval')
}

function variable({ name, title, metric, label, where, many }: Variable): unknown {
  return {
    name,
    label: title,
    type: 'query',
    datasource: SOURCE,
    query: { query: `label_values(${metric}${where === undefined ? '' : `{${where}}`}, ${label})`, refId: name },
    refresh: 2,
    sort: 1,
    ...(many ? { multi: true, includeAll: true, allValue: '.*', current: { text: ['All'], value: ['$__all'] } } : {}),
  }
}

/** From left to right, row below row. */
function placed(rows: Dashboard['rows']): unknown[] {
  const panels: unknown[] = []
  let y = 0
  for (const { title, panels: ofRow } of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    })
    y++
    let [x, height] = [0, 0]
    for (const panel of ofRow) {
      if (x + panel.width > WIDTH) {
        y += height
        x = 0
        height = 0
      }
      const h = HEIGHTS[panel.kind]
      panels.push({ id: panels.length + 1, gridPos: { x, y, w: panel.width, h }, ...grafanaPanel(panel) })
      x += panel.width
      height = Math.max(height, h)
    }
    y += height
  }
  return panels
}

const TYPES = { lines: 'timeseries', number: 'stat', table: 'table' } as const

function grafanaPanel({ title, about, unit, kind, queries }: Panel): Readonly<Record<string, unknown>> {
  const isTable = kind === 'table'
  return {
    type: TYPES[kind],
    title,
    ...(about === undefined ? {} : { description: about }),
    datasource: SOURCE,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    ...(kind === 'lines'
      ? { options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } } }
      : {}),
    targets: queries.map(({ expression, legend }, i) => ({
      refId: refId(i),
      datasource: SOURCE,
      expr: grafanaQuery(expression),
      legendFormat: legend,
      ...(isTable ? { format: 'table', instant: true } : {}),
    })),
    ...(isTable ? { transformations: asTable(queries.map(({ legend }) => legend)) } : {}),
  }
}

function refId(i: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + i)
}

/** One line for each set of labels, with a column for each query. */
function asTable(columns: readonly string[]): readonly unknown[] {
  const only = columns.length === 1
  const names = Object.fromEntries(columns.map((column, i) => [only ? 'Value' : `Value #${refId(i)}`, column]))
  return [
    ...(only ? [] : [{ id: 'merge', options: {} }]),
    { id: 'organize', options: { excludeByName: { Time: true }, renameByName: names } },
  ]
}
