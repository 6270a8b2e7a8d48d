// Calls what it is told to by lines of JSON, `{ target, method, metadata }`, and writes a line for each answer: `{ answer }` or `{ code, details }`.
import { createInterface } from 'node:readline'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { register } from '@grpc/grpc-js-xds'

register()
const clients = new Map<string, Client>()
const text = (bytes: Buffer) => bytes.toString()
const bytes = (value: string) => Buffer.from(value)

for await (const line of createInterface(process.stdin)) {
  const { target, method, metadata, deadlineMs } = JSON.parse(line)
  const client = clients.get(target) ?? new Client(target, credentials.createInsecure())
  clients.set(target, client)
  const headers = new Metadata()
  for (const [name, value] of Object.entries(metadata)) headers.set(name, String(value))
  const answered = (error: { code?: number; details?: string } | null, answer?: string) =>
    console.log(JSON.stringify(error ? { code: error.code, details: error.details } : { answer }))
  client.makeUnaryRequest(method, bytes, text, '', headers, { deadline: Date.now() + deadlineMs }, answered)
}
process.exit(0)
