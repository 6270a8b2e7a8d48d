// Writes deploy/grafana and deploy/prometheus from src/install/dashboards. A test says when they are out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { DASHBOARDS } from '../src/install/dashboards/dashboards.ts'
import { grafanaDashboard } from '../src/install/dashboards/grafana.ts'
import { PROMETHEUS_RULES } from '../src/install/dashboards/prometheus-rules.ts'
import { PROMETHEUS_OPERATOR, SCRAPE_CONFIGS } from '../src/install/dashboards/scraping.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const NOTE = '# Made by scripts/generate-dashboards.ts from src/install/dashboards: change it there.\n'
const WIDE = { lineWidth: 0 } as const

/** The files by their path in the checkout. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  const dashboards = DASHBOARDS.map((dashboard) => [
    `deploy/grafana/${dashboard.name}.json`,
    `${JSON.stringify(grafanaDashboard(dashboard), null, 2)}\n`,
  ])
  return {
    ...Object.fromEntries(dashboards),
    'deploy/prometheus/weft-rules.yaml': `${NOTE}${stringify({ groups: PROMETHEUS_RULES }, WIDE)}`,
    'deploy/prometheus/scrape-configs.yaml': `${NOTE}${stringify({ scrape_configs: SCRAPE_CONFIGS }, WIDE)}`,
    'deploy/prometheus/operator.yaml': `${NOTE}${PROMETHEUS_OPERATOR.map((object) => `---\n${stringify(object, WIDE)}`).join('')}`,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [path, content] of Object.entries(dashboardFiles())) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
    console.log(path)
  }
