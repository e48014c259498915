import type { Pace } from './pace.ts';
import type { RoundOutcome } from './round.ts';
import type { StoragePhase } from './storage-phases.ts';

/** A kind of bar: its color, and what it says to a reader. */
const looks: Readonly<
  Record<Exclude<StoragePhase, 'serving'>, { readonly color: string; readonly meaning: string }>
> = {
  drained: { color: '#e3a008', meaning: 'drained: calls end, writes go on' },
  away: { color: '#b42318', meaning: 'away: its node boots anew' },
  catchingUp: { color: '#2e6fb7', meaning: 'back: copies what it has missed' },
};

const width = 960;
const left = 70;
const right = 20;
const top = 64;
const rowHeight = 4;
const zoneGap = 10;
const bottom = 44;

/** Draws when which storage was away, one row each, zone by zone: an SVG. */
export function schedulePicture(
  { storages, bars, roundMs }: Pick<RoundOutcome, 'storages' | 'bars' | 'roundMs'>,
  pace: Pace,
): string {
  const minutes = Math.max(1, Math.ceil(pace.roundMinutes(roundMs)));
  const x = (minute: number) => rounded(left + (minute / minutes) * (width - left - right));
  const zones = [...new Set(storages.map(({ zone = '' }) => zone))].toSorted();
  const order = [...storages.entries()].toSorted(
    ([a, { zone: zoneOfA = '' }], [b, { zone: zoneOfB = '' }]) =>
      zones.indexOf(zoneOfA) - zones.indexOf(zoneOfB) || a - b,
  );
  const tops = new Map(
    order.map(([index, { zone = '' }], row) => [
      index,
      top + row * rowHeight + zones.indexOf(zone) * zoneGap,
    ]),
  );
  const end = top + storages.length * rowHeight + (zones.length - 1) * zoneGap;
  const height = end + bottom;

  const ticks = Array.from({ length: minutes + 1 }, (_, minute) => minute)
    .filter((minute) => minute % tickOf(minutes) === 0)
    .map(
      (minute) =>
        `<line x1="${x(minute)}" x2="${x(minute)}" y1="${top - 4}" y2="${end + 4}" stroke="#d8dde3"/>` +
        `<text x="${x(minute)}" y="${end + 18}" text-anchor="middle">${minute}</text>`,
    );
  const zoneLabels = zones.map((zone) => {
    const rows = order.flatMap(([index, one]) =>
      (one.zone ?? '') === zone ? [tops.get(index) ?? 0] : [],
    );
    const middle = (Math.min(...rows) + Math.max(...rows) + rowHeight) / 2;
    return `<text x="${left - 12}" y="${middle + 4}" text-anchor="end">zone ${zone}</text>`;
  });
  const rects = bars.flatMap(({ storage, phase, fromMs, toMs }) => {
    if (phase === 'serving') return [];
    const from = x(pace.roundMinutes(fromMs));
    const barWidth = rounded(x(pace.roundMinutes(toMs)) - from);
    const y = tops.get(storage) ?? 0;
    const size = `width="${barWidth}" height="${rowHeight - 1}"`;
    return [`<rect x="${from}" y="${y}" ${size} fill="${looks[phase].color}"/>`];
  });
  const legend = Object.values(looks).map(
    ({ color, meaning }, index) =>
      `<rect x="${left + index * 270}" y="36" width="12" height="12" fill="${color}"/>` +
      `<text x="${left + index * 270 + 18}" y="46">${meaning}</text>`,
  );
  const title = `${storages.length} storages in ${pace.roundMinutes(roundMs).toFixed(1)} minutes`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#24292f">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="22" font-size="15" font-weight="bold">A patch round: ${title}</text>`,
    ...legend,
    ...ticks,
    ...zoneLabels,
    ...rects,
    `<text x="${(left + width - right) / 2}" y="${end + 36}" text-anchor="middle">minutes</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** Every how many minutes there is a line: about ten in all. */
function tickOf(minutes: number): number {
  return [1, 2, 5, 10, 20, 50].find((tick) => minutes / tick <= 12) ?? 100;
}

function rounded(value: number): number {
  return Number(value.toFixed(1));
}
