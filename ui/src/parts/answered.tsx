import { Button, Skeleton } from '@mantine/core'
import { IconAlertTriangle, IconCircleDashed } from '@tabler/icons-react'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Refusal } from '../api/ask.ts'

interface AnsweredProps<T> {
  readonly to: UseQueryResult<T, Error>
  /** Lines that are drawn while it is waited for. */
  readonly lines?: number
  readonly children: (answer: T) => ReactNode
}

/** What is made of an answer, once it is there; what to do, where it does not come. */
export function Answered<T>({ to: { data, error, refetch }, lines = 5, children }: AnsweredProps<T>) {
  if (data !== undefined) return children(data)
  if (error) return <Problem error={error} again={() => void refetch()} />
  return (
    <div className="card-body" aria-busy="true">
      <span className="sub" role="status">
        Asking the mesh …
      </span>
      {Array.from({ length: lines }, (_, line) => (
        // Lines that are all alike
        <Skeleton key={line} height={14} mt={12} radius="sm" width={`${92 - ((line * 17) % 40)}%`} />
      ))}
    </div>
  )
}

export function Problem({ error, again }: { readonly error: Error; readonly again?: () => void }) {
  return (
    <div className="empty" role="alert">
      <IconAlertTriangle size={28} aria-hidden="true" />
      <strong>{error.message}</strong>
      {error instanceof Refusal && error.remedy && <p>{error.remedy}</p>}
      {again && (
        <Button variant="default" size="xs" mt="xs" onClick={again}>
          Try again
        </Button>
      )}
    </div>
  )
}

/** That there is nothing, and what to do to have something. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <IconCircleDashed size={28} aria-hidden="true" />
      <strong>{title}</strong>
      {children}
    </div>
  )
}
