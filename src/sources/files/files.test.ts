import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { displayName } from '../../resources/resource.ts'
import { Files, type FilesContent, readFiles, SETTLE_MS } from './files.ts'
import { readRemembered } from './remembered.ts'
import { watchFiles } from './watch-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const path = (name: string) => join(folder, name)
const account = (name: string, more = '') =>
  `apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: ${name}\n${more}---\n`
const names = ({ resources }: FilesContent) => resources.map(displayName).sort()
const rules = ({ messages }: FilesContent) => messages.map(({ rule }) => rule)

describe('reading', () => {
  test('takes .yaml, .yml and .json of a folder by name, and a named file whatever its name', () => {
    writeFileSync(path('b.yml'), account('b'))
    writeFileSync(path('a.yaml'), account('a'))
    writeFileSync(path('c.json'), '{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"c"}}')
    writeFileSync(path('d.txt'), account('d'))
    writeFileSync(path('.hidden.yaml'), account('hidden'))
    const content = readFiles({ paths: [folder], recursive: false })
    expect(content.resources.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c'])
    expect(names(readFiles({ paths: [path('d.txt')], recursive: false }))).toEqual(['ServiceAccount default/d'])
  })

  test('looks into subfolders only when asked to', () => {
    mkdirSync(path('below'))
    writeFileSync(path('below/a.yaml'), account('a'))
    const flat = readFiles({ paths: [folder], recursive: false })
    expect(flat.resources).toEqual([])
    expect(flat.messages).toMatchObject([{ rule: 'empty-folder', severity: 'warning', position: { file: folder } }])
    expect(flat.messages[0]?.remedy).toContain('-R')
    expect(names(readFiles({ paths: [folder], recursive: true }))).toEqual(['ServiceAccount default/a'])
  })

  test('reads a file once that is named twice', () => {
    writeFileSync(path('a.yaml'), account('a'))
    const content = readFiles({ paths: [folder, path('a.yaml')], recursive: false })
    expect(content.messages).toEqual([])
    expect(content.resources).toHaveLength(1)
  })

  test('says what is not there', () => {
    const content = readFiles({ paths: [path('nope.yaml')], recursive: false })
    expect(content.messages).toMatchObject([{ rule: 'file-not-found', position: { file: path('nope.yaml') } }])
  })

  test('refuses a file of 50 MB without reading it', () => {
    writeFileSync(path('large.yaml'), '')
    truncateSync(path('large.yaml'), 50 * 1024 * 1024)
    writeFileSync(path('small.yaml'), account('small'))
    const content = readFiles({ paths: [folder], recursive: false })
    expect(names(content)).toEqual(['ServiceAccount default/small'])
    expect(content.messages).toMatchObject([{ rule: 'file-too-large', position: { file: path('large.yaml') } }])
    expect(content.messages[0]?.problem).toContain('50 MiB')
  })

  test('tells of what has a name of a file and is none, and waits for no pipe', () => {
    execFileSync('mkfifo', [path('pipe.yaml')])
    symlinkSync('loop.yaml', path('loop.yaml'))
    symlinkSync('nowhere', path('dangling.yaml'))
    mkdirSync(path('folder'))
    symlinkSync('folder', path('link.yaml'))
    writeFileSync(path('good.yaml'), account('good'))
    const content = readFiles({ paths: [folder], recursive: false })
    expect(names(content)).toEqual(['ServiceAccount default/good'])
    const told = content.messages.map(({ position, problem }) => `${basename(position?.file ?? '')}: ${problem}`)
    expect(told.sort()).toEqual([
      'dangling.yaml: this is a symbolic link to nowhere, which is not there',
      'link.yaml: this is a folder where a file is wanted',
      'loop.yaml: this is a symbolic link that leads back to itself',
      'pipe.yaml: this is a pipe, a socket or a device, not a file',
    ])
  })

  test('reads a pipe that was named, once, and never while it watches', () => {
    execFileSync('mkfifo', [path('pipe')])
    writeFileSync(path('a.yaml'), account('a'))
    spawn('sh', ['-c', 'cat a.yaml > pipe'], { cwd: folder })
    expect(names(readFiles({ paths: [path('pipe')], recursive: false }))).toEqual(['ServiceAccount default/a'])
    const { content } = new Files({ paths: [path('pipe')], recursive: false }).read(0)
    expect(rules(content)).toEqual(['file-not-readable'])
  })

  test('refuses what is not UTF-8', () => {
    writeFileSync(path('latin1.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]))
    expect(rules(readFiles({ paths: [folder], recursive: false }))).toEqual(['not-utf8'])
  })

  test('takes the first of two objects with one name, and names both places', () => {
    writeFileSync(path('a.yaml'), account('same', 'automountServiceAccountToken: true\n'))
    writeFileSync(path('b.yaml'), `# second\n${account('same', 'automountServiceAccountToken: false\n')}`)
    const content = readFiles({ paths: [folder], recursive: false })
    expect(content.resources).toMatchObject([{ automountServiceAccountToken: true }])
    expect(content.messages).toMatchObject([
      {
        rule: 'duplicate-object',
        severity: 'error',
        object: 'ServiceAccount default/same',
        position: { file: path('b.yaml'), line: 2 },
      },
    ])
    expect(content.messages[0]?.problem).toContain(`${path('a.yaml')}:1`)
  })
})

describe('reading again', () => {
  let files: Files
  let now = 0
  beforeEach(() => {
    files = new Files({ paths: [folder], recursive: false })
    now = 0
  })
  const read = () => files.read(now)
  const readLater = () => {
    now += SETTLE_MS
    return read()
  }

  test('gives the same objects for files that did not change', () => {
    writeFileSync(path('a.yaml'), account('a'))
    writeFileSync(path('b.yaml'), account('b'))
    const first = read().content
    writeFileSync(path('b.yaml'), account('c'))
    expect(read().content.resources[0]).toBe(first.resources[0])
  })

  test('takes an addition at once, and a removal when the file has stood for a while', () => {
    writeFileSync(path('a.yaml'), account('a') + account('b'))
    read()
    writeFileSync(path('a.yaml'), account('b') + account('c'))
    const { content, again } = read()
    expect(names(content)).toEqual(['a', 'b', 'c'].map((name) => `ServiceAccount default/${name}`))
    expect(again).toBe(SETTLE_MS)
    expect(names(readLater().content)).toEqual(['ServiceAccount default/b', 'ServiceAccount default/c'])
    expect(readLater().again).toBeUndefined()
  })

  test('does not notice a file that is empty or gone for a moment', () => {
    writeFileSync(path('a.yaml'), account('a'))
    const first = read().content
    truncateSync(path('a.yaml'), 0)
    expect(read().content.resources).toEqual(first.resources)
    rmSync(path('a.yaml'))
    expect(read().content.resources).toEqual(first.resources)
    writeFileSync(path('a.yaml'), account('a'))
    read()
    now += 10 * SETTLE_MS
    expect(names(read().content)).toEqual(['ServiceAccount default/a'])
  })

  test('lets go of the objects of a removed file', () => {
    writeFileSync(path('a.yaml'), account('a'))
    writeFileSync(path('b.yaml'), account('b'))
    read()
    rmSync(path('a.yaml'))
    read()
    expect(names(readLater().content)).toEqual(['ServiceAccount default/b'])
  })

  test('keeps the last good version of an object that became invalid, for as long as it is', () => {
    writeFileSync(path('a.yaml'), account('a') + account('b'))
    const first = read().content
    writeFileSync(path('a.yaml'), account('a', 'automountServiceAccountToken: perhaps\n') + account('b'))
    const broken = read().content
    expect(rules(broken)).toEqual(['wrong-type'])
    expect(broken.resources.find(({ metadata }) => metadata.name === 'a')).toBe(first.resources[0])
    readLater()
    expect(names(readLater().content)).toHaveLength(2)
    writeFileSync(path('a.yaml'), account('b'))
    read()
    expect(names(readLater().content)).toEqual(['ServiceAccount default/b'])
  })

  test('takes nothing as removed while a document cannot be read', () => {
    writeFileSync(path('a.yaml'), account('a') + account('b'))
    read()
    writeFileSync(path('a.yaml'), `${account('a')}kind: [broken\n`)
    read()
    const later = readLater().content
    expect(names(later)).toHaveLength(2)
    expect(later.messages).toMatchObject([{ severity: 'error', position: { file: path('a.yaml') } }])
  })

  test('leaves in force what was there first, wherever another of its name comes from', () => {
    writeFileSync(path('m.yaml'), account('a', 'automountServiceAccountToken: true\n'))
    const first = read().content.resources[0]
    writeFileSync(path('a.yaml'), account('a', 'automountServiceAccountToken: false\n'))
    expect(read().content.resources).toEqual([first])
    expect(read().content.messages).toMatchObject([{ rule: 'duplicate-object', position: { file: path('a.yaml') } }])
    // Also while its own file is broken.
    writeFileSync(path('m.yaml'), 'kind: [')
    read()
    expect(readLater().content.resources).toEqual([first])
    // And for who reads them next.
    expect(new Files({ paths: [folder], recursive: false }, files.remembered()).read(0).content.resources).toEqual([
      first,
    ])
    rmSync(path('m.yaml'))
    expect(read().content.resources).toMatchObject([{ automountServiceAccountToken: false }])
    expect(readLater().content.messages).toEqual([])
  })

  test('leaves in force what is broken, also while another of its name is being let go', () => {
    writeFileSync(path('b.yaml'), account('a', '  labels: { from: b }\n'))
    const now = read().content.resources
    writeFileSync(path('b.yaml'), '[')
    writeFileSync(path('a.yaml'), account('a', '  labels: { from: a }\n'))
    expect(read().content.resources).toEqual(now)
    rmSync(path('a.yaml'))
    expect(read().content.resources).toEqual(now)
    expect(readLater().content.resources).toEqual(now)
  })

  test('remembers when an object came, over edits, moves and restarts', () => {
    let time = '2026-01-01T00:00:00Z'
    const options = { paths: [folder], recursive: false, clock: () => time }
    const dated = new Files(options)
    const dates = ({ resources }: FilesContent) =>
      Object.fromEntries(resources.map(({ metadata }) => [metadata.name, metadata.creationTimestamp?.slice(0, 4)]))
    writeFileSync(path('a.yaml'), account('a') + account('b'))
    dated.read(0)
    time = '2027-01-01T00:00:00Z'
    const written = account('w').replace('name: w', 'name: w\n  creationTimestamp: "2020-01-01T00:00:00Z"')
    writeFileSync(path('a.yaml'), account('a', 'automountServiceAccountToken: true\n') + written)
    writeFileSync(path('b.yaml'), account('b') + account('c'))
    expect(dates(dated.read(1).content)).toEqual({ a: '2026', b: '2026', c: '2027', w: '2020' })
    time = '2028-01-01T00:00:00Z'
    const next = new Files(options, dated.remembered())
    expect(dates(next.read(0).content)).toEqual({ a: '2026', b: '2026', c: '2027', w: '2020' })
    writeFileSync(path('b.yaml'), account('b'))
    next.read(1)
    next.read(1 + SETTLE_MS)
    writeFileSync(path('b.yaml'), account('b') + account('c'))
    expect(dates(next.read(2 + SETTLE_MS).content)).toMatchObject({ c: '2028' })
  })

  test('does not call an object a duplicate that moves from one file to another', () => {
    writeFileSync(path('a.yaml'), account('a'))
    read()
    writeFileSync(path('b.yaml'), account('a'))
    rmSync(path('a.yaml'))
    expect(read().content).toMatchObject({ messages: [], resources: [{ metadata: { name: 'a' } }] })
    expect(readLater().content).toMatchObject({ messages: [], resources: [{ metadata: { name: 'a' } }] })
  })

  test('keeps what a named file said that is gone, and asks for no further look until it is back', () => {
    const named = new Files({ paths: [path('a.yaml')], recursive: false })
    writeFileSync(path('a.yaml'), account('a') + account('b'))
    named.read(0)
    writeFileSync(path('a.yaml'), account('a'))
    expect(named.read(10).again).toBe(10 + SETTLE_MS)
    rmSync(path('a.yaml'))
    const gone = named.read(1000)
    expect(gone.again).toBeUndefined()
    expect(names(gone.content)).toEqual(['ServiceAccount default/a', 'ServiceAccount default/b'])
    writeFileSync(path('a.yaml'), account('c'))
    expect(named.read(2000).again).toBe(2000 + SETTLE_MS)
    expect(names(named.read(2000 + SETTLE_MS).content)).toEqual(['ServiceAccount default/c'])
  })

  test('keeps what a file said that cannot be read any more', () => {
    writeFileSync(path('a.yaml'), account('a'))
    read()
    rmSync(path('a.yaml'))
    symlinkSync(path('a.yaml'), path('a.yaml')) // to itself: nobody can open that
    read()
    const later = readLater().content
    expect(names(later)).toEqual(['ServiceAccount default/a'])
    expect(rules(later)).toEqual(['file-not-readable'])
  })
})

test('a restart keeps the last good version of what was broken meanwhile, and lets go of what was removed', () => {
  const memory = path('memory.json')
  const watch = () => {
    let last: FilesContent | undefined
    watchFiles({ paths: [folder], recursive: false, memory }, (content) => {
      last = content
    })()
    return last ?? expect.fail('watchFiles gives the content before it returns')
  }
  writeFileSync(path('a.yaml'), account('a') + account('b'))
  writeFileSync(path('c.yaml'), account('c'))
  const first = watch()
  writeFileSync(path('a.yaml'), account('a', 'automountServiceAccountToken: perhaps\n'))
  rmSync(path('c.yaml'))
  expect(watch().resources.find(({ metadata }) => metadata.name === 'a')).toEqual(first.resources[0])
  const files = new Files({ paths: [folder], recursive: false }, readRemembered(memory))
  files.read(0)
  files.read(SETTLE_MS)
  expect(names(files.read(2 * SETTLE_MS).content)).toEqual(['ServiceAccount default/a'])
})

describe('watching', () => {
  /** The contents that a watch gives, one after the other. */
  function contents(): {
    next: (wanted: (content: FilesContent) => boolean) => Promise<FilesContent>
    end: () => void
  } {
    let last: FilesContent | undefined
    let look = () => {}
    const end = watchFiles({ paths: [folder], recursive: false }, (content) => {
      last = content
      look()
    })
    const next = (wanted: (content: FilesContent) => boolean) =>
      new Promise<FilesContent>((resolve) => {
        look = () => last && wanted(last) && resolve(last)
        look()
      })
    return { next, end }
  }

  test('follows edits, atomic replacements, new files and removals', async () => {
    writeFileSync(path('a.yaml'), account('a'))
    const watch = contents()
    try {
      await watch.next((content) => names(content).join() === 'ServiceAccount default/a')
      writeFileSync(path('a.yaml'), account('b'))
      await watch.next((content) => names(content).join() === 'ServiceAccount default/b')
      writeFileSync(path('a.yaml~'), account('c'))
      renameSync(path('a.yaml~'), path('a.yaml'))
      await watch.next((content) => names(content).join() === 'ServiceAccount default/c')
      writeFileSync(path('d.yaml'), account('d'))
      await watch.next((content) => names(content).length === 2)
      rmSync(path('d.yaml'))
      await watch.next((content) => names(content).length === 1)
    } finally {
      watch.end()
    }
  })

  test('keeps what a folder said that is gone, and follows the one that takes its place', async () => {
    writeFileSync(path('a.yaml'), account('a'))
    const watch = contents()
    try {
      await watch.next(({ resources }) => resources.length === 1)
      renameSync(folder, `${folder}-elsewhere`)
      const gone = await watch.next(({ messages }) => messages.length > 0)
      expect(names(gone)).toEqual(['ServiceAccount default/a'])
      expect(gone.messages).toMatchObject([
        { rule: 'file-not-found', problem: expect.stringContaining(': what was read of it before stays in force') },
      ])
      mkdirSync(folder)
      writeFileSync(path('b.yaml'), account('b'))
      const next = await watch.next((content) => names(content).join() === 'ServiceAccount default/b')
      expect(next.messages).toEqual([])
    } finally {
      watch.end()
      rmSync(`${folder}-elsewhere`, { recursive: true, force: true })
    }
  })

  test('reads an edit within 100 ms', async () => {
    writeFileSync(path('a.yaml'), account('a'))
    const watch = contents()
    try {
      await watch.next(({ resources }) => resources.length === 1)
      const took: number[] = []
      for (let n = 0; n < 5; n++) {
        const began = performance.now()
        writeFileSync(path('a.yaml'), account('a') + account(`b${n}`))
        await watch.next((content) => names(content).includes(`ServiceAccount default/b${n}`))
        took.push(performance.now() - began)
      }
      expect(Math.min(...took)).toBeLessThan(100)
    } finally {
      watch.end()
    }
  })
})
