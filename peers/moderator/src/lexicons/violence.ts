import { compileLexicon, type LexiconEntry } from '../lexicon.ts';

/** An entry of the violence lexicon. */
interface ViolentEntry extends LexiconEntry {
  /**
   * `act`: violence only where somebody means to do it to somebody. `threat`: a threat by itself.
   * `harmless`: a figure of speech that contains such a word.
   */
  kind: 'act' | 'threat' | 'harmless';
}

const whom = '(?:you|him|her|them|me|everyone|everybody|somebody|someone|people|all of (?:you|them))';

/** Acts, threats, and the figures of speech that sound like them. */
export const violenceLexicon = compileLexicon<ViolentEntry>([
  {
    words: `kill kills killing killed murder murders murdering murdered slaughter slaughtering stab stabs stabbing stabbed
      shoot shoots shooting strangle strangling strangled behead beheading lynch lynching execute executing torture
      torturing tortured massacre bombing`,
    weight: 2.1,
    reason: 'a deadly act',
    kind: 'act',
  },
  {
    words: `beat beats beating punch punches punching punched hurt hurts hurting attack attacks attacking choke choking
      hang hanging burn burning poison poisoning smash smashing crush crushing cripple whip kick kicking slap slapping`,
    weight: 1.5,
    reason: 'an act of violence',
    kind: 'act',
  },
  {
    phrases: [
      '(?:break|breaking|snap) (?:your|his|her|their|every) (?:\\w+ )?(?:neck|legs?|arms?|bones?|jaw|face|nose|fingers)',
      '(?:slit|cut) (?:your|his|her|their) (?:throats?|wrists)',
      '(?:smash|bash|kick|cave) (?:your|his|her|their) (?:\\w+ )?(?:face|head|skull|teeth)(?: in)?',
      '(?:blow|shoot|burn|bomb) (?:up |down )?(?:your|his|her|their|the|this|that) (?:\\w+ )?(?:house|home|school|office|building|church|mosque|synagogue|car|place)(?: up| down)?',
      `put a bullet in (?:you|him|her|them|your|his|their)`,
    ],
    weight: 2.6,
    reason: 'an act of severe violence',
    kind: 'act',
  },
  {
    phrases: [
      'i know where (?:you|your (?:kids|family|children)) (?:live|lives|sleep|work|go to school)',
      'watch your back',
      "(?:you are|you're|youre|he is|he's|she is|she's|they are|they're) (?:so |as good as )?(?:a )?dead(?: man| meat)?(?! (?:right|wrong|tired|serious|last|certain|set|easy|on))",
      "you (?:will|are going to|'ll|are gonna) (?:pay|suffer|bleed|regret|wish you were dead)",
      'make (?:you|him|her|them) (?:suffer|bleed|pay)',
      'your days are numbered',
      'sleep with one eye open',
    ],
    weight: 3.4,
    reason: 'a threat',
    kind: 'threat',
  },
  {
    phrases: ['(?:kill|hurt|cut|harm|hang|shoot) myself', 'end my (?:own )?life', 'want to die'],
    weight: 4.4,
    reason: 'a sign that the author may harm themselves',
    kind: 'threat',
  },
  {
    phrases: [
      `(?:hope|wish|pray) (?:that )?(?:you|he|she|they|all of (?:you|them))(?: all)? (?:\\w+ )?(?:die|dies|died|burn|burns|suffer|suffers|rot|get (?:shot|stabbed|killed|hurt|raped))`,
      '(?:deserves?|ought|needs?) to (?:die|be (?:shot|killed|hanged|hung|stabbed|beaten|lynched|executed|burned))',
      '(?:should|must) (?:all )?(?:be (?:shot|killed|hanged|hung|stabbed|beaten(?: up)?|lynched|executed|burned|exterminated)|die)',
      'death to',
      `(?:let us|let's|go|somebody|someone) (?:should |please )?(?:kill|shoot|hang|lynch|beat up|stab|burn) (?:${whom}|the (?:\\w+ )?(?:judges?|cops?|police|guards?|traitors?|politicians?|president|mayor|boss|teachers?|immigrants?|men|women|children|man|woman)|those (?:people|\\w+s)|these (?:people|\\w+s))`,
      'exterminate (?:them|all|the|these|those)',
    ],
    weight: 4.5,
    reason: 'a wish or a call for violence',
    kind: 'threat',
  },
  {
    phrases: [
      '(?:kill|killed|killing|kills|slaying|crushing|crushed) (?:it|time|two birds|the (?:mood|vibe|lights?|engine|process|server|job|task|app|tab|program|switch|session|workflow|container|buzz))',
      "(?:you|you're|youre|you are|this|it|that|it's|it is|these|my \\w+) (?:are |is )?killing me",
      '(?:kill|to kill) for',
      'kill (?:-9|switch|the power)',
      'bomb(?:ed|ing)? (?:the|my|an|this|that) (?:exam|test|interview|audition|quiz|presentation)',
      'shoot (?:me|you|us|him|her|them) (?:an?|the|your|over|some) (?:\\w+ )?(?:email|e-mail|mail|message|text|note|dm|link|question|line|invite)',
      'shoot(?:ing)? (?:for|a (?:film|movie|video|scene|photo)|hoops|photos|pictures|video|the breeze)',
      'photo ?shoot(?:s|ing)?',
      'beat(?:ing|s)? (?:the (?:record|game|boss|level|traffic|heat|odds|system|deadline|market|crowd|rush|clock|drum|eggs)|around the bush|me to it|myself up)',
      `beat(?:ing|s)? (?:${whom} )?(?:at|in a|in the) (?:\\w+ )?(?:chess|tennis|game|race|finals?|poker|football|match|tournament|quiz|round|league|election|vote)`,
      `(?:kill|killing|destroy|beat|crush|murder) ${whom} (?:at|in) (?:\\w+ ){0,2}(?:chess|tennis|game|race|finals?|poker|football|match|tournament|quiz|round|league|fortnite|minecraft|halo)`,
      '(?:hit|hits|hitting) the (?:road|gym|books|hay|spot)',
      '(?:attack|attacking|attacks) (?:the|this|that|a|our|their) (?:problem|question|topic|backlog|task|issue|argument|goal|surface|vector)s?',
      'burn(?:ing)? (?:calories|fat|out|rate|cds?|bridges|the candle)',
      'break a leg',
      'murder mystery',
      'killer (?:app|feature|deal|whale|instinct|workout|heels)',
      'stab at',
      'knock yourself out',
      'punch ?lines?',
      'over my dead body',
      'heart attacks?|panic attacks?|ddos attacks?|denial of service attacks?|attack of the',
      'hang(?:ing)? (?:out|up|on|in there|around|with|tight)',
      'whip(?:ping)? (?:up|cream)|whipped cream',
      'kick(?:ing)? (?:off|back|in|the (?:ball|habit|bucket))',
      'execut(?:e|ing) (?:the|a|this|our) (?:plan|command|query|script|program|code|strategy|order|task|step|statement|workflow)',
      'crush(?:ing)? (?:on|the competition|the exam|my goals)',
    ],
    weight: 0.1,
    reason: 'a figure of speech',
    kind: 'harmless',
  },
]);
