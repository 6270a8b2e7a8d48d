import { useDebouncedValue } from '@mantine/hooks'
import { closeSpotlight, Spotlight } from '@mantine/spotlight'
import { IconArrowsSplit2, IconBox, IconFileText, IconSearch, IconServer2 } from '@tabler/icons-react'
import { type KeyboardEvent, useState } from 'react'
import { useLocation } from 'wouter'
import type { SearchHit } from '../../../src/server/console/answers.ts'
import { useAsk } from '../api/ask.ts'
import { PLACES } from './places.ts'

const ICONS = { service: IconServer2, workload: IconBox, proxy: IconArrowsSplit2, object: IconFileText } as const
const PAGES = PLACES.flatMap(({ places }) => [...places])

/** Everything by its name: opened with `/` or Ctrl-K. */
export function Search() {
  const [text, setText] = useState('')
  const [asked] = useDebouncedValue(text.trim(), 120)
  const [, go] = useLocation()
  const path = `console/search?q=${encodeURIComponent(asked)}`
  const { data: hits = [] } = useAsk<readonly SearchHit[]>(path, ['objects'], { enabled: asked !== '', keep: true })
  const lower = text.trim().toLowerCase()
  const pages = PAGES.filter(({ text: name, about }) => `${name} ${about}`.toLowerCase().includes(lower))
  const found = lower === '' ? [] : hits
  const [first] = [...found, ...pages]
  // Hits come later than the words that were typed: nothing is selected yet then, and Enter means the first.
  const enter = ({ key }: KeyboardEvent) => {
    if (key !== 'Enter' || !first || document.querySelector('[data-action][data-selected]')) return
    closeSpotlight()
    go(first.to)
  }
  return (
    <Spotlight.Root
      query={text}
      onQueryChange={setText}
      shortcut={['/', 'mod + K']}
      maxHeight={420}
      scrollable
      size="lg"
    >
      <Spotlight.Search
        placeholder="A service, workload, proxy, object or page"
        aria-label="Search everything"
        onKeyDown={enter}
        leftSection={<IconSearch size={18} aria-hidden="true" />}
      />
      <Spotlight.ActionsList>
        {found.map(({ kind, title, detail, to }) => {
          const Icon = ICONS[kind]
          return (
            <Spotlight.Action
              key={`${kind} ${to}`}
              label={title}
              description={`${kind}: ${detail}`}
              leftSection={<Icon size={18} aria-hidden="true" />}
              onClick={() => go(to)}
            />
          )
        })}
        {pages.map(({ to, text: name, about, icon: Icon }) => (
          <Spotlight.Action
            key={to}
            label={name}
            description={about}
            leftSection={<Icon size={18} aria-hidden="true" />}
            onClick={() => go(to)}
          />
        ))}
        {found.length + pages.length === 0 && (
          <Spotlight.Empty>Nothing is called so. Try a part of the name.</Spotlight.Empty>
        )}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  )
}
