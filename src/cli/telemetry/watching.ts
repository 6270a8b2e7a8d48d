import { setTimeout as after } from 'node:timers/promises'
import { print } from '../output-format.ts'

/** How often what is watched is asked for again, in ms: as often as there is something new. */
const AGAIN_MS = 5000

/** Prints a picture, once, or again and again in its place until the process ends. @param watch needs a terminal to be in one place */
export async function show(watch: boolean, picture: () => Promise<string>): Promise<void> {
  if (!watch) return print(await picture())
  for (;;) {
    const text = await picture()
    await print(process.stdout.isTTY ? `\u001b[H\u001b[2J${new Date().toTimeString().slice(0, 8)}\n${text}` : text)
    await after(AGAIN_MS)
  }
}
