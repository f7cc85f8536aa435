import { compileLexicon, type LexiconEntry } from '../lexicon.ts';

/** An entry of the toxicity lexicon. */
interface ToxicEntry extends LexiconEntry {
  /** Whether it can only be meant for a person; the others often describe things ("a stupid bug"). */
  personal: boolean;
}

/**
 * Mild and common insults suffice to show what kind of speech it is; rare slurs are left to a deployment's own list,
 * since whether one is meant cannot be told from the word.
 */
export const toxicityLexicon = compileLexicon<ToxicEntry>([
  {
    words: `idiot idiots idiotic moron morons moronic imbecile imbeciles cretin cretins dimwit dimwits halfwit simpleton
      nitwit dumbass blockhead dummkopf trottel idiota idiotas imbecil estupido estupida abruti cretino`,
    weight: 2.2,
    reason: 'an insult to somebody’s intelligence',
    personal: true,
  },
  {
    words: 'bastard bastards asshole assholes jerk jerks scumbag scumbags creep creeps douchebag prick',
    weight: 2.1,
    reason: 'an insult to somebody’s character',
    personal: true,
  },
  {
    words: 'loser losers clown clowns fool fools coward cowards liar liars weirdo weirdos',
    weight: 1.6,
    reason: 'a disparaging name',
    personal: true,
  },
  {
    words: 'stupid dumb pathetic worthless useless disgusting brainless clueless dumm ridiculous braindead',
    weight: 1.5,
    reason: 'a word of contempt',
    personal: false,
  },
  {
    words: 'scum vermin subhuman subhumans parasite parasites cockroach cockroaches filth',
    weight: 2.4,
    reason: 'a word that denies somebody’s humanity',
    personal: false,
  },
  {
    phrases: [
      'piece of (?:trash|garbage|crap|dirt)',
      'waste of (?:space|oxygen|air|skin)',
      'lowest of the low',
      'sack of (?:trash|garbage|crap)',
    ],
    weight: 2.2,
    reason: 'a phrase of contempt',
    personal: false,
  },
  {
    phrases: ['shut up', 'get lost', 'screw you', 'go to hell', 'drop dead', 'bite me', 'get a life', 'eat dirt'],
    weight: 1.6,
    reason: 'a hostile dismissal',
    personal: true,
  },
  {
    phrases: [
      '(?:nobody|no one|no-one|everyone|everybody) (?:likes|loves|wants|needs|hates|despises) you',
      'i (?:hate|despise|loathe) (?:you|your kind|your guts)',
      'you (?:\\w+ )?make me sick',
      "you(?: all|'re| are|r)? (?:\\w+ )?(?:suck|trash|garbage)",
      'go back (?:to )?where you came from',
      'you disgust me',
      'your kind',
      '(?:you should|you ought to|should) be ashamed of yourself',
      "you (?:do not|don't) (?:deserve to|belong)",
    ],
    weight: 2.1,
    reason: 'a hostile phrase',
    personal: true,
  },
  {
    phrases: [
      'kill yourself',
      'kys',
      'go die',
      'end your life',
      'the world (?:is|would be) better (?:off )?without you',
    ],
    weight: 4,
    reason: 'a call to harm oneself',
    personal: true,
  },
  { words: 'crap damn damned bloody sucks suck', weight: 0.5, reason: 'coarse language', personal: false },
]);
