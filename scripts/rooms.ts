import { writeFileSync } from 'node:fs'

/** The rooms of `src/`. Data flows from left to right; a room imports only from rooms to its left, types included. */
const ROOMS = [
  'resources',
  'store',
  'sources',
  'mesh',
  'analysis',
  'translate',
  'xds',
  'identity',
  'agent',
  'injection',
  'controllers',
  'install',
  'telemetry',
  'management',
  'adoption',
  'integrations',
  'server',
  'cli',
] as const

type Room = (typeof ROOMS)[number]

/** Where the picture is stricter than the order. */
const NOT_EITHER: Partial<Record<Room, readonly Room[]>> = {
  identity: ['translate', 'xds'],
}

/** Parts of the project that no room may know. */
const OUTSIDE = '../**/{ui,test,samples,bench,scripts}/**'

/** Of the rooms, a browser's page may know what questions are answered with. */
const NOT_FOR_UI = ['../**/src/**', '!../**/src/server/console/answers.ts', '!../**/src/telemetry/questions/*.ts']

/** Writes the rules of the rooms as a configuration of Biome's linter. */
export function writeRoomRules(file: string): void {
  const rooms = ROOMS.flatMap((room, place) => {
    const left = ROOMS.slice(0, place).filter((other) => !NOT_EITHER[room]?.includes(other))
    const forbidden = ROOMS.filter((other) => other !== room && !left.includes(other))
    const message =
      left.length > 0 ? `${room} may import from: ${left.join(', ')}.` : `${room} imports from no other room.`
    const others = forbidden.map((other) => `../**/${other}/**`)
    return [
      refuse([`src/${room}/**`], [...others, OUTSIDE], message),
      refuse([`src/${room}/**/*.test.ts`], others, message), // What tests share may stand in test/.
    ]
  })
  const unknown = 'This folder is not among the rooms: give it its place in scripts/rooms.ts.'
  const guests = 'The samples are what somebody might bring to the mesh: they know nothing of it.'
  const page = 'What runs in a browser knows the server by the types of its answers only.'
  const configuration = {
    root: true,
    files: { includes: ['{src,samples,scripts,bench}/**/*.ts', 'ui/**/*.{ts,tsx}'] },
    linter: { rules: { preset: 'none', suspicious: { noImportCycles: 'error' } } },
    overrides: [
      refuse(['src/**', ...ROOMS.map((room) => `!src/${room}/**`)], ['**'], unknown),
      ...rooms,
      refuse(['samples/**'], ['../**/{src,gen,test,scripts}/**', '#*/**'], guests),
      refuse(['ui/**'], ['../**/{gen,test,scripts,bench,samples}/**', '#*/**', ...NOT_FOR_UI], page),
    ],
  }
  writeFileSync(file, JSON.stringify(configuration, undefined, 2))
}

/** In files of `includes`, imports of `group` are an error. */
function refuse(includes: readonly string[], group: readonly string[], message: string) {
  const noRestrictedImports = { level: 'error', options: { patterns: [{ group, message }] } }
  return { includes, linter: { rules: { style: { noRestrictedImports } } } }
}
