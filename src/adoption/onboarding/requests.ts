import type { Engine } from './engine.ts'
import type { Request } from './journal.ts'

/** Does what somebody left word of. */
export function obey(engine: Engine, request: Request): Promise<unknown> {
  return 'start' in request ? engine.start(request.start) : engine.wish(request.application, request.wish)
}
