import { ActionIcon, AppShell, Burger, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { openSpotlight } from '@mantine/spotlight'
import { IconMoon, IconSearch, IconSun } from '@tabler/icons-react'
import { type ReactNode, useEffect } from 'react'
import { Link, useLocation } from 'wouter'
import type { MeshInfo, Overview } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { useLiveState } from '../api/live.tsx'
import { Dot, Tag } from '../parts/tag.tsx'
import mark from './mark.svg'
import { PLACES } from './places.ts'
import { Search } from './search.tsx'

/** What is around every page. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure()
  const [location] = useLocation()
  // On a narrow screen the navigation goes once it has led somewhere
  useEffect(() => {
    close()
    window.scrollTo(0, 0)
  }, [location])
  return (
    <AppShell
      header={{ height: 54 }}
      navbar={{ width: 216, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'sm', sm: 'lg' }}
    >
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <AppShell.Header className="frame-top">
        <Top opened={opened} toggle={toggle} />
      </AppShell.Header>
      <AppShell.Navbar className="frame-nav" p="xs" aria-label="Pages">
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="main">{children}</AppShell.Main>
      <Search />
    </AppShell>
  )
}

function Top({ opened, toggle }: { readonly opened: boolean; readonly toggle: () => void }) {
  const { data: mesh } = useConsole<MeshInfo>('mesh', 'objects')
  return (
    <div className="row" style={{ height: '100%', padding: '0 16px', flexWrap: 'nowrap', gap: 14 }}>
      <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Pages" aria-expanded={opened} />
      <Link className="brand" to="/" aria-label="Weft: overview">
        <img src={mark} alt="" />
        <span>Weft</span>
      </Link>
      {mesh && (
        <span className="muted mantine-visible-from-sm" title={`Weft ${mesh.version}`}>
          {mesh.name}
        </span>
      )}
      <div className="grow row" style={{ justifyContent: 'center', flexWrap: 'nowrap' }}>
        <button type="button" className="search-button" onClick={openSpotlight}>
          <IconSearch size={16} aria-hidden="true" />
          <span>Search everything</span>
          <kbd className="key mantine-visible-from-sm">/</kbd>
        </button>
      </div>
      <LiveMark />
      <SchemeSwitch />
    </div>
  )
}

function LiveMark() {
  const state = useLiveState()
  const [tone, text] =
    state === 'on'
      ? (['good', 'Live'] as const)
      : state === 'off'
        ? (['bad', 'Not live'] as const)
        : (['calm', '…'] as const)
  const says =
    state === 'off'
      ? 'The mesh does not answer: this is how it was. It is asked again by itself.'
      : 'What is shown follows the mesh'
  return (
    <Tooltip label={says}>
      <span className="row sub" role="status" style={{ flexWrap: 'nowrap' }}>
        <Dot tone={tone} /> <span className={state === 'off' ? '' : 'mantine-visible-from-sm'}>{text}</span>
      </span>
    </Tooltip>
  )
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const other = scheme === 'light' ? 'dark' : 'light'
  return (
    <Tooltip label={`${other === 'dark' ? 'Dark' : 'Light'} colors`}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        onClick={() => setColorScheme(other)}
        aria-label={`Use ${other} colors`}
      >
        {other === 'dark' ? <IconMoon size={18} /> : <IconSun size={18} />}
      </ActionIcon>
    </Tooltip>
  )
}

function Navigation() {
  const [location] = useLocation()
  const { data } = useConsole<Overview>('overview', 'objects', 'findings', 'proxies', 'certificates')
  const grave = (data?.findings.error ?? 0) + (data?.findings.warning ?? 0)
  const behind = (data?.proxies.disconnected ?? 0) + (data?.proxies.rejected ?? 0)
  const counts: Readonly<Record<string, ReactNode>> = {
    '/findings': grave > 0 && <Tag tone={data?.findings.error ? 'bad' : 'warn'}>{grave}</Tag>,
    '/proxies': behind > 0 && <Tag tone="warn">{behind}</Tag>,
  }
  return (
    <div style={{ overflowY: 'auto' }}>
      {PLACES.map(({ group, places }) => (
        <div key={group}>
          <div className="nav-group">{group}</div>
          {places.map(({ to, text, icon: Icon }) => {
            const here = to === '/' ? location === '/' : location === to || location.startsWith(`${to}/`)
            return (
              <Link key={to} to={to} className="nav-link" {...(here ? { 'aria-current': 'page' as const } : {})}>
                <Icon size={18} stroke={1.7} aria-hidden="true" />
                {text}
                {counts[to] && <span className="count">{counts[to]}</span>}
              </Link>
            )
          })}
        </div>
      ))}
    </div>
  )
}
