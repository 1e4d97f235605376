/** What the demonstration's origin has to tell: a small encyclopedia of weaving and computing, and its glossary. */

export interface Article {
  /** The last part of its path. */
  slug: string
  title: string
  paragraphs: readonly string[]
  /** Slugs of other articles. */
  seeAlso: readonly string[]
}

/** Twelve articles; `/wiki/<slug>` has each one as HTML, `/wiki/<slug>.json` as JSON. */
export const ARTICLES: readonly Article[] = [
  {
    slug: 'heddle',
    title: 'Heddle',
    paragraphs: [
      'A heddle is the part of a loom that a single warp thread passes through. It is a cord, a wire or a strip of steel with an eye in its middle. When the heddle is lifted, its thread is lifted with it.',
      'Heddles hang side by side in a frame, the shaft. A plain cloth needs two shafts: one carries the even threads, the other the odd ones. Lifting them in turn opens the gap through which the shuttle passes. More shafts give more patterns, and the order in which they are lifted is written down as a draft.',
      'A rigid heddle is a simpler tool: a board of slots and holes. Threads in the holes move with the board, threads in the slots stay where they are, so that one board does the work of two shafts and of the reed as well.',
    ],
    seeAlso: ['loom', 'warp-and-weft', 'jacquard-machine'],
  },
  {
    slug: 'loom',
    title: 'Loom',
    paragraphs: [
      'A loom holds one set of threads under tension so that another set can be passed between them. Everything else about it is a convenience, and people have added conveniences for some eight thousand years.',
      'The warp-weighted loom of the Neolithic let its threads hang from a beam, pulled straight by rings of clay. The backstrap loom uses the body of the weaver instead. The treadle loom freed both hands by lifting the shafts with the feet, and reached Europe in the Middle Ages.',
      'Edmund Cartwright patented a power loom in 1785. It took others half a century to make it dependable. The loom that James Henry Northrop introduced in 1895 refilled its own shuttle while it ran, and one weaver could then mind sixteen machines or more.',
    ],
    seeAlso: ['heddle', 'shuttle', 'warp-and-weft'],
  },
  {
    slug: 'warp-and-weft',
    title: 'Warp and weft',
    paragraphs: [
      'The warp is the set of threads that are stretched on the loom before weaving begins. The weft is the one thread that goes back and forth across them. The word weft is a relative of the word weave.',
      'Warp threads bear the tension and the rubbing of the loom, so that they are spun hard and often stiffened with starch, which is called sizing. The weft bears little and can be soft, thick or irregular.',
      'A cloth in which the warp hides the weft is warp-faced; rep is one. A cloth in which the weft hides the warp is weft-faced; tapestry is the best known.',
    ],
    seeAlso: ['loom', 'twill', 'tapestry'],
  },
  {
    slug: 'shuttle',
    title: 'Shuttle',
    paragraphs: [
      'A shuttle carries the weft from one side of the cloth to the other. In its simplest form it is a stick with thread wound around it. A boat shuttle holds a bobbin on a pin, and the thread unwinds as the shuttle flies.',
      'Until the eighteenth century a cloth could be no wider than the reach of its weaver, and a broad cloth took two people who threw the shuttle to each other. In 1733 John Kay patented the flying shuttle, which is driven along a track by a pull on a cord. One weaver could then make broad cloth, and twice as fast.',
      'Weaving had overtaken spinning: several spinners were now needed to keep one weaver at work. The spinning jenny, the water frame and the mule were answers to that queue of waiting looms, an early case of a bottleneck that moved when it was removed.',
    ],
    seeAlso: ['loom', 'batch-processing', 'concurrency'],
  },
  {
    slug: 'twill',
    title: 'Twill',
    paragraphs: [
      'Twill is a weave with a diagonal rib. The weft passes over one or more warp threads and then under two or more, and each row begins one thread further along, so that the crossings climb to one side.',
      'It is written as a fraction: in a 2/1 twill two warp threads are up and one is down. Fewer crossings let the threads lie closer together, which makes a cloth that is denser, drapes better and hides stains well.',
      'Denim, gabardine, tweed and serge are twills. Reversing the direction of the diagonal every few threads gives herringbone.',
    ],
    seeAlso: ['warp-and-weft', 'heddle'],
  },
  {
    slug: 'tapestry',
    title: 'Tapestry',
    paragraphs: [
      'In a tapestry the coloured wefts do not run from edge to edge. Each goes back and forth in its own patch of the picture, and the weaver joins or leaves a slit where two colours meet. No machine is needed beyond the loom, and a great deal of patience.',
      'The weaver of a large hanging works from a full-size drawing, the cartoon. Several people sit side by side at one loom, each at a strip of the same warp: a picture made in parallel, which must agree at every border.',
      'The Lady and the Unicorn, a set of six hangings woven around 1500, is kept in Paris. The Bayeux Tapestry is no tapestry at all: it is embroidered.',
    ],
    seeAlso: ['warp-and-weft', 'concurrency', 'loom'],
  },
  {
    slug: 'jacquard-machine',
    title: 'Jacquard machine',
    paragraphs: [
      'The Jacquard machine sits above a loom and decides, for every pick, which warp threads are lifted. Joseph Marie Jacquard showed it in Lyon in 1804. He built on the work of Basile Bouchon, Jean-Baptiste Falcon and Jacques de Vaucanson.',
      'Its instructions are cards laced together into a chain. A card is pressed against a field of needles: where it has a hole the needle enters, and the hook behind it lifts its thread; where it has none the needle is pushed away. One card is one row of the cloth.',
      'In 1839 a portrait of Jacquard was woven in silk. It took a chain of some 24,000 cards. Charles Babbage owned a copy and liked to ask his guests how they thought it had been made.',
    ],
    seeAlso: ['punched-card', 'heddle', 'analytical-engine'],
  },
  {
    slug: 'punched-card',
    title: 'Punched card',
    paragraphs: [
      'A punched card stores data as the presence or absence of holes. Looms used them first. Herman Hollerith used them for people: the census of the United States in 1890 was counted with his machines, in a fraction of the time of the one before.',
      'The card with eighty columns and rectangular holes came in 1928. It gave programs their lines of eighty characters, and terminals their width, long after the last card had been read.',
      'A program was a deck, handed in at a counter with a job card on top. The results came back hours later on paper, and a missing comma cost a day.',
    ],
    seeAlso: ['jacquard-machine', 'batch-processing'],
  },
  {
    slug: 'analytical-engine',
    title: 'Analytical Engine',
    paragraphs: [
      'Charles Babbage described the Analytical Engine in 1837: a machine of brass and steel that would carry out any calculation. He took two words for its parts from the cotton trade. Numbers were kept in the store and worked on in the mill.',
      'Its orders were to come on cards like those of Jacquard, one kind for the operations and another for the variables. A set of cards could be backed up and passed again, which made a loop, and passed over, which made a condition.',
      'Ada Lovelace wrote in 1843 that the engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves. Her notes hold a table for computing the numbers of Bernoulli, which many people call the first program. The engine was never finished.',
    ],
    seeAlso: ['jacquard-machine', 'punched-card'],
  },
  {
    slug: 'core-rope-memory',
    title: 'Core rope memory',
    paragraphs: [
      'Core rope memory is a program that was woven. A wire that passes through a magnetic core stands for a one, a wire that passes around it for a zero. The wires are many, the cores are few, and every bit has to be threaded by hand.',
      'The computers that guided the Apollo spacecraft held their programs in it: 36,864 words of fifteen bits and a parity bit. Women at a factory in Waltham passed a needle back and forth through the cores, many of them with experience in textiles.',
      'A rope could not be changed once it was made, nor lost when the power failed. Software had to be finished months before a flight, as the weaving took weeks.',
    ],
    seeAlso: ['punched-card', 'shuttle'],
  },
  {
    slug: 'concurrency',
    title: 'Concurrency',
    paragraphs: [
      'Concurrency is the handling of several tasks in the same stretch of time. Parallelism is the execution of several tasks at the same instant. One cook with four pots works concurrently; four cooks work in parallel.',
      'A program that waits, for a disk, a network or a person, gains from concurrency on a single core, for waiting costs nothing. A program that computes gains only from parallelism, and at most as much as it has cores.',
      'How the tasks share the machine is a choice. An event loop keeps many waits in one thread. Threads share memory and start quickly. Processes share nothing and fail alone.',
    ],
    seeAlso: ['batch-processing', 'tapestry', 'shuttle'],
  },
  {
    slug: 'batch-processing',
    title: 'Batch processing',
    paragraphs: [
      'Batch processing is the execution of many jobs without a person in between. Weavers know the idea well: a warp for ten cloths is made in one go, since setting up the loom costs as much as weaving for days.',
      'The early computers stood idle while operators changed tapes. In 1956 the owners of an IBM 704 at General Motors and North American Aviation wrote a monitor that started the next job when the last one had ended. It is often named as the first operating system.',
      'A batch is judged by its throughput and by its makespan, the time from its first start to its last end. A single slow item can decide the second while it hardly touches the first.',
    ],
    seeAlso: ['punched-card', 'concurrency'],
  },
]

/** Twelve terms; `/terms/<slug>` has each one as HTML, `/terms/<slug>.json` as JSON. */
export const TERMS: readonly Article[] = [
  term('shed', 'Shed', 'The gap between raised and lowered warp threads, through which the shuttle passes.', 'heddle'),
  term('pick', 'Pick', 'One passage of the weft across the warp: one row of the cloth.', 'jacquard-machine'),
  term('reed', 'Reed', 'A comb that spaces the warp threads and beats each pick against the finished cloth.', 'loom'),
  term(
    'selvage',
    'Selvage',
    'The edge of a cloth, where the weft turns back, so that it does not fray.',
    'warp-and-weft',
  ),
  term('treadle', 'Treadle', 'A pedal that lifts one or more shafts and leaves both hands free.', 'loom'),
  term('draft', 'Draft', 'The notation of a weave: the threading, the tie-up and the order of the treadles.', 'heddle'),
  term(
    'event-loop',
    'Event loop',
    'One thread that takes up whatever has become ready, and waits only when nothing is.',
    'concurrency',
  ),
  term('latency', 'Latency', 'The time between asking and getting. More lanes do not shorten it.', 'concurrency'),
  term(
    'throughput',
    'Throughput',
    'Tasks that end in a unit of time. It can rise while each task becomes slower.',
    'batch-processing',
  ),
  term('makespan', 'Makespan', 'The time from the first start to the last end of a batch.', 'batch-processing'),
  term(
    'speedup',
    'Speedup',
    'The time of the sequential run over the time of this one. It needs both to be measured.',
    'concurrency',
  ),
  term('straggler', 'Straggler', 'A task that is still running when all others have ended.', 'batch-processing'),
]

function term(slug: string, title: string, meaning: string, article: string): Article {
  return { slug, title, paragraphs: [meaning], seeAlso: [article] }
}
