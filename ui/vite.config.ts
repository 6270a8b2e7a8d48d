import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** How `npm run setup` builds the console; see scripts/generate-ui.ts. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // What is inlined as data: would not be cached, nor is it allowed to run.
    reportCompressedSize: false,
    // The layout of graphs comes in a worker of its own, and only with the page that needs it.
    chunkSizeWarningLimit: 2000,
  },
  logLevel: 'warn',
})
