// The TCP echo alone, told by arguments as Istio's published tcp-echo sample is: `tcp-echo.ts 9000,9001 hello`.
import process from 'node:process'
import { serveLines } from './lines.ts'

const [ports = '9000', prefix = 'hello'] = process.argv.slice(2)
serveLines(ports.split(',').map(Number), prefix)
