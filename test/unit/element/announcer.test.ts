import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAnnouncer } from '../../../src/element/announcer';

describe('the announcer', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('speaks at once, then at most every three seconds, and then the newest', () => {
    const said: string[] = [];
    const { say } = createAnnouncer((text) => said.push(text));
    say('cat');
    expect(said).toEqual(['cat']);
    for (const text of ['dog', 'fox', 'owl']) say(text);
    vi.advanceTimersByTime(2999);
    expect(said).toEqual(['cat']);
    vi.advanceTimersByTime(1);
    expect(said).toEqual(['cat', 'owl']);
  });

  it('does not repeat itself, even after a change that was taken back', () => {
    const said: string[] = [];
    const { say } = createAnnouncer((text) => said.push(text));
    say('cat');
    say('dog');
    say('cat');
    vi.advanceTimersByTime(10_000);
    say('cat');
    expect(said).toEqual(['cat']);
  });

  it('takes back what is no longer so, and what it was about to say', () => {
    const said: string[] = [];
    const { say, clear } = createAnnouncer((text) => said.push(text));
    say('Loading');
    say('cat');
    clear();
    vi.advanceTimersByTime(10_000);
    expect(said).toEqual(['Loading', '']);
    clear();
    say('Loading');
    expect(said).toEqual(['Loading', '', 'Loading']);
  });

  it('is silent once stopped', () => {
    const said: string[] = [];
    const { say, stop } = createAnnouncer((text) => said.push(text));
    say('cat');
    say('dog');
    stop();
    vi.advanceTimersByTime(10_000);
    expect(said).toEqual(['cat']);
  });
});
