/** Where the provider sends people back to, unless a policy says otherwise. */
export const REDIRECT_PATH = '/oauth2/callback'
/** Where people sign out, unless a policy says otherwise. */
export const LOGOUT_PATH = '/logout'
