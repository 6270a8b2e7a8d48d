// What productpage shows, as HTML.

export type Book = { id: number; title: string; descriptionHtml: string }

export type Details = Record<string, string | number>

export type Review = {
  reviewer: string
  text: string
  rating?: { stars?: number; color?: string; error?: string }
}

export type Reviews = { podname: string; clustername: string | null; reviews: Review[] }

/** What a call gave: the thing, or the sentence to show in its place. */
export type Fetched<Thing> = { status: number; value: Thing } | { status: number; error: string }

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: unknown) => String(text).replace(/[&<>"']/g, (character) => escapes[character] ?? character)

const frame = (title: string, user: string | undefined, content: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="/static/book.svg">
<link rel="stylesheet" href="/static/bookinfo.css">
</head>
<body>
<header>
<a class="brand" href="/productpage">Bookinfo</a>
${
  user === undefined
    ? `<form method="post" action="/login">
<input name="username" placeholder="User name" aria-label="User name" required maxlength="64" autocomplete="username">
<input name="passwd" type="password" placeholder="Any password" aria-label="Password" autocomplete="current-password">
<button>Sign in</button>
</form>`
    : `<span class="user">${escaped(user)} <a href="/logout">Sign out</a></span>`
}
</header>
<main>
${content}
</main>
</body>
</html>
`

const failed = (what: string, { error }: { error: string }) =>
  `<div class="failed" role="alert"><strong>Error fetching product ${what}!</strong><p>${escaped(error)}</p></div>`

function stars({ stars = 0, color, error }: NonNullable<Review['rating']>) {
  if (error !== undefined) return `<p class="unrated">${escaped(error)}</p>`
  const full = Math.min(5, Math.max(0, Math.round(stars)))
  const shade = color === 'red' ? 'red' : 'black'
  return `<p class="stars ${shade}" aria-label="${full} of 5 stars">${'★'.repeat(full)}${'☆'.repeat(5 - full)}</p>`
}

/** Reviews v1 gives no rating, v2 black stars, v3 red ones: the stars tell the version where the pod's name does not. */
function versionOf(reviews: Reviews) {
  const colors = reviews.reviews.map(({ rating }) => rating?.color)
  const rated = reviews.reviews.some(({ rating }) => rating)
  const fromPod = /^reviews-(v\d+)/.exec(reviews.podname)?.[1]
  return fromPod ?? (colors.includes('red') ? 'v3' : colors.includes('black') ? 'v2' : rated ? 'v2 or v3' : 'v1')
}

const reviewList = (reviews: Reviews) => `
${reviews.reviews
  .map(
    (review) => `<blockquote>
<p>${escaped(review.text)}</p>
${review.rating ? stars(review.rating) : ''}
<footer>${escaped(review.reviewer)}</footer>
</blockquote>`,
  )
  .join('\n')}
<dl class="served">
<dt>Reviews served by</dt><dd id="reviews-pod">${escaped(reviews.podname)}</dd>
<dt>version</dt><dd id="reviews-version">${escaped(versionOf(reviews))}</dd>
${reviews.clustername ? `<dt>on cluster</dt><dd>${escaped(reviews.clustername)}</dd>` : ''}
</dl>`

const labels: Record<string, string> = {
  type: 'Type',
  pages: 'Pages',
  publisher: 'Publisher',
  language: 'Language',
  author: 'Author',
  year: 'Year',
}

const detailList = (details: Details) => `<dl class="details">
${Object.entries(details)
  .filter(([name]) => name !== 'id')
  .map(([name, value]) => `<dt>${escaped(labels[name] ?? name)}</dt><dd>${escaped(value)}</dd>`)
  .join('\n')}
</dl>`

/** The page of one book. What could not be fetched is said in its place; the rest of the page stands. */
export function productPage(
  book: Book,
  user: string | undefined,
  details: Fetched<Details>,
  reviews: Fetched<Reviews>,
): string {
  return frame(
    book.title,
    user,
    `<h1>${escaped(book.title)}</h1>
<p class="summary">${book.descriptionHtml}</p>
<div class="columns">
<section id="details">
<h2>Book details</h2>
${'value' in details ? detailList(details.value) : failed('details', details)}
</section>
<section id="reviews">
<h2>Book reviews</h2>
${'value' in reviews ? reviewList(reviews.value) : failed('reviews', reviews)}
</section>
</div>`,
  )
}

/** The page at `/`: what there is to see. */
export const indexPage = (user: string | undefined) =>
  frame(
    'Bookinfo',
    user,
    `<h1>Bookinfo</h1>
<p class="summary">A small shop window for one book, made of four services. productpage asks details and reviews;
reviews, in versions 2 and 3, asks ratings.</p>
<p><a href="/productpage">To the book</a></p>`,
  )
