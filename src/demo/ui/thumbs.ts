/** The sample photos as buttons. */
import type { Photo } from '../state';
import { make, setAttribute } from './dom';

/** Puts one button a photo into the box. */
export function showThumbs(box: HTMLElement, photos: readonly Photo[], choose: (index: number) => void): void {
  box.replaceChildren(
    ...photos.map((photo, index) => {
      const image = make('img', '');
      image.src = `samples/${photo.file}`;
      image.alt = photo.title;
      image.loading = 'lazy';
      const button = make('button', 'thumb', image);
      button.type = 'button';
      button.title = photo.title;
      button.addEventListener('click', () => choose(index));
      return button;
    }),
  );
}

export function markThumb(box: HTMLElement, chosen: number): void {
  [...box.children].forEach((button, index) => setAttribute(button, 'aria-pressed', String(index === chosen)));
}
