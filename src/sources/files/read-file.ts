import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Message } from '../../resources/message.ts'
import { notAFile, notReadable } from './find-files.ts'

/** The largest file that is read. A thousand routes take about half a mebibyte. */
const LARGEST_FILE_BYTES = 16 * 1024 * 1024

/** A file's bytes, or why there are none. `absent`: it was removed, which is not an error of the file. */
export type FileContent = { readonly bytes: Buffer } | { readonly absent: true } | { readonly unreadable: Message }

/** @param pipes whether what comes out of a pipe is read, to its end: that can be done once */
export function readContent(path: string, pipes = false): FileContent {
  let descriptor: number
  try {
    // To open a pipe that nobody writes to would wait for ever.
    descriptor = openSync(path, constants.O_RDONLY | (pipes ? 0 : constants.O_NONBLOCK))
  } catch (error) {
    const failure = error as NodeJS.ErrnoException
    if (failure.code === 'ENXIO') return { unreadable: notAFile(path) } // a socket
    return failure.code === 'ENOENT' ? { absent: true } : { unreadable: notReadable(path, failure) }
  }
  try {
    const status = fstatSync(descriptor)
    // A folder is told of by what reading it gives.
    const readable = status.isFile() || status.isDirectory() || (pipes && status.isFIFO())
    if (!readable) return { unreadable: notAFile(path) }
    const { size } = status
    if (size > LARGEST_FILE_BYTES) return { unreadable: tooLarge(path, size) }
    const bytes = readFileSync(descriptor)
    if (bytes.length > LARGEST_FILE_BYTES) return { unreadable: tooLarge(path, bytes.length) }
    return { bytes }
  } catch (error) {
    return { unreadable: notReadable(path, error as NodeJS.ErrnoException) }
  } finally {
    closeSync(descriptor)
  }
}

function tooLarge(path: string, bytes: number): Message {
  const mebibytes = (value: number) => `${Math.ceil(value / 1024 / 1024)} MiB`
  return {
    rule: 'file-too-large',
    severity: 'error',
    position: { file: path, line: 1, column: 1 },
    problem: `the file has ${mebibytes(bytes)}, more than the ${mebibytes(LARGEST_FILE_BYTES)} that are read`,
    remedy: 'split it into several files',
  }
}
