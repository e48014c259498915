import { expect, test } from '@jest/globals';
import { filesystemId } from './server-methods.ts';

test('a virtual storage has the id for its file system that Praefect gives it', () => {
  expect(filesystemId('default')).toBe('d9f04423-6b13-5949-9ffa-c06279e0796e');
  expect(filesystemId('second')).not.toBe(filesystemId('default'));
});
