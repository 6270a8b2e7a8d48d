import type { EstateObject } from '../../adoption/estate/estate.ts'
import {
  type OnboardingSpec,
  USUAL_LIMITS,
  USUAL_WINDOWS,
  type Windows,
  type Wish,
} from '../../adoption/onboarding/onboarding.ts'
import type { Onboarding } from '../../resources/adoption.ts'
import { parseDuration } from '../../resources/duration.ts'
import { keyOf } from '../../resources/resource.ts'

/** What an Onboarding asks for. */
export interface Wanted {
  readonly spec: OnboardingSpec
  readonly wish: Wish
  /** All of it as text: another text is another request. */
  readonly asked: string
}

/** Of the resource `Onboarding`, whose schema has been checked. It is about the Application of its own name. */
export function wantedOf(resource: Onboarding): Wanted {
  const {
    wanted = 'Go',
    undoTo = 'permissive',
    holdBefore,
    leaveOut = {},
    windows = {},
    limits = {},
    gateway,
    declared,
  } = resource.spec ?? {}
  return {
    spec: {
      application: keyOf(resource),
      leaveOut,
      windows: { ...USUAL_WINDOWS, ...milliseconds(windows) },
      limits: { ...USUAL_LIMITS, ...limits },
      declared: (declared ?? []) as readonly EstateObject[],
      ...(gateway ? { gateway } : {}),
      ...(holdBefore ? { holdBefore } : {}),
    },
    wish: wanted === 'Go' ? 'go' : wanted === 'Paused' ? 'pause' : { undo: undoTo, by: 'somebody' },
    asked: JSON.stringify(resource.spec ?? {}),
  }
}

function milliseconds(windows: Readonly<Partial<Record<keyof Windows, string>>>): Partial<Windows> {
  return Object.fromEntries(
    Object.entries(windows).flatMap(([name, text]) => {
      const duration = parseDuration(text)
      return duration.ok ? [[name, duration.milliseconds]] : []
    }),
  )
}
