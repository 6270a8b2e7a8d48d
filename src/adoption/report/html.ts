import { type Block, type Cell, percent, type ReportDocument } from './document.ts'

/** A report as one HTML file that needs nothing else, light or dark, and prints on paper. */
export function htmlOf({ title, subtitle, blocks }: ReportDocument): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${safe(title)}</h1><p>${safe(subtitle)}</p></header>
<main>
${blocks.map(blockText).join('\n')}
</main>
</body>
</html>
`
}

function blockText(block: Block): string {
  if ('heading' in block) {
    const tag = `h${block.level ?? 2}`
    return `<${tag}>${safe(block.heading)}</${tag}>`
  }
  if ('text' in block) return `<p>${safe(block.text)}</p>`
  if ('verdict' in block) return `<p class="verdict ${block.mood}">${safe(block.verdict)}</p>`
  if ('list' in block) return `<ul>${block.list.map((item) => `<li>${safe(item)}</li>`).join('')}</ul>`
  if ('todo' in block)
    return `<ul class="todo">${block.todo.map(({ text, done }) => `<li class="${done ? 'done' : 'open'}">${done ? '☑' : '☐'} ${safe(text)}</li>`).join('')}</ul>`
  if ('code' in block) return `<pre><code>${safe(block.code.trimEnd())}</code></pre>`
  if ('bars' in block) return `<div class="bars">${block.bars.map(bar).join('')}</div>`
  const numeric = block.headings.map((_, i) => block.rows.some((row) => typeof row[i] === 'number'))
  const row = (tag: 'th' | 'td') => (cells: readonly Cell[]) =>
    `<tr>${cells.map((cell, i) => `<${tag}${numeric[i] ? ' class="number"' : ''}>${safe(String(cell)).replaceAll('\n', '<br>')}</${tag}>`).join('')}</tr>`
  return `<div class="wide"><table><thead>${row('th')(block.headings)}</thead><tbody>${block.rows.map(row('td')).join('')}</tbody></table></div>`
}

function bar({
  label,
  share,
  says,
}: {
  readonly label: string
  readonly share: number
  readonly says?: string
}): string {
  const width = Math.round(Math.min(Math.max(share, 0), 1) * 100)
  return `<div class="bar"><span>${safe(label)}</span><div class="track"><div style="width:${width}%"></div></div><span class="number">${percent(share)}${says ? `, ${safe(says)}` : ''}</span></div>`
}

function safe(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee4;--fill:#2b6cb0;--paper:#fff;--good:#1a7f4b;--middling:#9a6700;--bad:#b42318}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaef;--soft:#9aa5b1;--line:#333b45;--fill:#63a4e8;--paper:#14181d;--good:#4cc38a;--middling:#e3b341;--bad:#ff7b72}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2.5rem auto;padding:0 1.25rem}
h1{font-size:1.9rem;margin:0}h2{font-size:1.3rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}h3{font-size:1.05rem;margin:1.4rem 0 .3rem}
header p{color:var(--soft);margin:.3rem 0 1.5rem}
.verdict{font-size:1.15rem;font-weight:600;border-left:.35rem solid;padding:.6rem 1rem}
.good{border-color:var(--good)}.middling{border-color:var(--middling)}.bad{border-color:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.todo{list-style:none;padding-left:.2rem}.done{color:var(--soft)}
.bar{display:grid;grid-template-columns:minmax(8rem,16rem) 1fr auto;gap:.8rem;align-items:center;margin:.3rem 0}.track{background:var(--line);border-radius:.3rem;height:.7rem}.track div{background:var(--fill);height:100%;border-radius:.3rem}
pre{background:color-mix(in srgb,var(--line) 35%,transparent);padding:.8rem 1rem;overflow-x:auto;font-size:.85rem}
@media print{@page{size:A4;margin:18mm}:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--fill:#444}body{font-size:10.5pt;margin:0;max-width:none;padding:0}h2,h3{break-after:avoid}tr,li,.bar,.verdict{break-inside:avoid}.wide{overflow:visible}.track,.track div{print-color-adjust:exact}}
`
