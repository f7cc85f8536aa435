import { compileLexicon, type LexiconEntry } from '../lexicon.ts';

/** Phrases of advertising and fraud. */
export const spamLexicon = compileLexicon<LexiconEntry>([
  {
    phrases: [
      "you(?: have|'ve)? (?:just )?(?:won|been (?:selected|chosen))",
      'claim (?:your|the) (?:\\w+ )?(?:prize|reward|gift|bonus|money|refund|voucher)',
      '(?:free|easy|fast) (?:money|cash|iphone|gift cards?|bitcoin|crypto)',
      'double your (?:money|income|bitcoin|investment|deposit)',
      'lottery winner',
      'unclaimed (?:funds|inheritance|prize|money)',
      '(?:million|thousand) (?:dollars|euros|usd|pounds) (?:for you|waiting)',
    ],
    weight: 2.2,
    reason: 'a promise of a prize or of money',
  },
  {
    phrases: [
      '(?:verify|confirm|update|validate|unlock) your (?:\\w+ )?(?:account|password|identity|payment|bank details|billing|card|details|information)',
      'your (?:\\w+ )?(?:account|card|mailbox|package|parcel) (?:has been|is|was|will be) (?:\\w+ )?(?:suspended|locked|limited|blocked|deactivated|on hold|held|closed)',
      'send (?:me |us )?(?:your )?(?:bank details|card number|password|pin|gift card codes?)',
      '(?:western union|wire transfer|moneygram)',
    ],
    weight: 2.2,
    reason: 'a lure for credentials or payments',
  },
  {
    phrases: [
      'earn (?:up to )?(?:\\$|€|£)?\\d[\\d.,]*k? ?(?:\\w+ )?(?:a|per|every) (?:day|week|month|hour)',
      'earn (?:\\w+ )?(?:money|income|cash) (?:\\w+ )?(?:online|from home|fast|today)',
      'work from home',
      'passive income',
      '(?:guaranteed|risk[- ]free) (?:\\w+ )?(?:profits?|returns?|income|winnings?|approval)',
      '(?:crypto|bitcoin|forex) (?:\\w+ )?(?:investment|giveaway|signals|trading)',
      'investment opportunity',
      'make (?:\\w+ )?(?:money|\\$\\d[\\d,.]*) (?:fast|online|from home|now|today)',
    ],
    weight: 1.7,
    reason: 'an offer of easy income',
  },
  {
    phrases: [
      'click (?:here|now|this link|the link|below|on this)',
      'act (?:now|fast|today)',
      '(?:buy|order|call|sign up|subscribe|register|apply|download) (?:now|today)',
      'limited[- ]time(?: only| offer)?',
      '(?:offer|deal|sale) (?:ends|expires) (?:\\w+)',
      "don't miss (?:out|this)",
      'while (?:supplies|stocks?) last',
      'only \\d+ (?:left|spots|places)',
      'last chance',
      'hurry(?: up)?',
      'urgent(?:ly)?',
      'within (?:24|48) hours',
    ],
    weight: 1.1,
    reason: 'pressure to act at once',
  },
  {
    phrases: [
      '(?:check out|visit|follow|join) my (?:\\w+ )?(?:page|profile|channel|website|site|shop|store|telegram|whatsapp|onlyfans|link|bio)',
      'link in (?:my )?bio',
      '(?:dm|text|message|contact|whatsapp) me (?:for|now|on|at|today|to)',
      '(?:buy|get|gain) (?:\\d+ )?(?:\\w+ )?(?:followers|likes|subscribers|views)',
      'best (?:price|deal|offer)s? (?:guaranteed|online|ever)',
      '(?:\\d{1,3} ?%|half) off',
      '100 ?% (?:free|legit|guaranteed|safe|real|original)',
      'no (?:credit check|obligation|hidden fees|questions asked|strings attached)',
      'lowest prices?',
      'satisfaction guaranteed',
      'money[- ]back guarantee',
    ],
    weight: 1.3,
    reason: 'advertising language',
  },
  {
    words: 'viagra cialis casino casinos jackpot replica replicas weightloss enlargement payday giveaway sweepstakes',
    weight: 1.3,
    reason: 'a product that spam is known for',
  },
  {
    words: 'congratulations congrats winner prize bonus discount cheap cashback promo voucher',
    phrases: ['dear (?:friend|customer|winner|beneficiary|user)', 'free'],
    weight: 0.5,
    reason: 'a word that spam often uses',
  },
]);
