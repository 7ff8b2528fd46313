// What is known to be missing on our side: shown as `todo` with the reason, and not counted as passed. What
// works all the same is shown as `ok`, so a line can be struck out here once it is closed. What a foreign
// peer cannot do is said by foreign-peer.mjs.

const ROUTING = 'jetd does not speak to an owner in the way of version 3'

const GAPS = {
  'jetd/nj3': {
    set: ROUTING,
    'another sets': ROUTING,
    'error: set refused': ROUTING,
    'error: method raises': ROUTING
  }
}

/** Why `operation` is known not to work between this daemon and this kind of peer, if it is. */
export const gap = (daemon, peer, operation) => GAPS[`${daemon}/${peer}`]?.[operation]
