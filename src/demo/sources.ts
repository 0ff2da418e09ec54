/**
 * Where pictures come from. Everything ends up in one of two elements: a video that plays, or a canvas that holds a still.
 * A source that cannot be opened throws a `SourceError`, whose message is written for the person in front of the page.
 */
import type { Photo } from './state';

export class SourceError extends Error {}

/** Stills are drawn this large at most: the network sees far less, and a 50-megapixel photo would slow every frame. */
const STILL_EDGE = 960;
const VIDEO_TIMEOUT_MS = 15_000;

export async function fetchPhotos(base: string): Promise<readonly Photo[]> {
  const response = await fetch(new URL('samples/index.json', base));
  if (!response.ok) throw new SourceError(`The list of sample photos could not be fetched (${response.status}).`);
  const { photos } = (await response.json()) as { photos: readonly Photo[] };
  return photos;
}

/** A sample photo on a canvas of its own. */
export async function openPhoto(photo: Photo | undefined, base: string): Promise<HTMLCanvasElement> {
  if (photo === undefined) throw new SourceError('There are no sample photos on this site.');
  const canvas = document.createElement('canvas');
  await showImage(canvas, photoUrl(photo, base), photo.title, () => false);
  return canvas;
}

export function photoUrl({ file }: Photo, base: string): string {
  return new URL(`samples/${file}`, base).href;
}

/** Decodes an image and draws it into the canvas, scaled down where it is very large; a stale one is not drawn. */
export async function showImage(canvas: HTMLCanvasElement, url: string, name: string, isStale: () => boolean): Promise<void> {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new SourceError(
      `“${name}” could not be read as an image. The browser may not know its format, or the file is damaged.`,
    );
  }
  if (isStale()) return;
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width === 0 || height === 0) throw new SourceError(`“${name}” has no size, so there is nothing to look at.`);
  const scale = Math.min(1, STILL_EDGE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  // Read back for every frame, so it is better kept in memory than on the GPU.
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new SourceError('This browser gives the page no canvas to draw on.');
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
}

/** Attaches a video file and waits for its first picture. */
export async function showVideo(video: HTMLVideoElement, url: string, name: string): Promise<void> {
  closeVideo(video);
  video.loop = true;
  video.src = url;
  await firstPicture(video, `“${name}” could not be played. The browser may not know its format, or the file is damaged.`);
}

/** Asks for the camera. The stream belongs to the video until `closeVideo`. */
export async function showCamera(video: HTMLVideoElement, isStale: () => boolean): Promise<void> {
  // Absent on pages that were not opened over https or from localhost.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new SourceError('The camera needs a secure page (https or localhost).');
  let stream: MediaStream;
  try {
    stream = await devices.getUserMedia({
      video: { facingMode: 'environment', width: { ideal: 640 }, height: { ideal: 480 } },
      audio: false,
    });
  } catch (error) {
    throw new SourceError(cameraWords(error));
  }
  if (isStale()) return stopTracks(stream);
  closeVideo(video);
  video.srcObject = stream;
  // A camera that sends nothing, or that nobody waits for any more, must not stay on unseen.
  const letGo = () => {
    if (video.srcObject === stream) closeVideo(video);
  };
  try {
    await firstPicture(video, 'The camera sends no picture. Another program may be using it.');
  } catch (error) {
    letGo();
    throw error;
  }
  if (isStale()) letGo();
}

/** Lets go of the file or the camera, so that its light goes out. */
export function closeVideo(video: HTMLVideoElement): void {
  if (video.srcObject instanceof MediaStream) stopTracks(video.srcObject);
  video.srcObject = null;
  video.removeAttribute('src');
  video.load();
}

/** Calls back when the camera ends by itself: unplugged, or permission taken back. */
export function whenCameraEnds(video: HTMLVideoElement, ended: () => void): void {
  if (!(video.srcObject instanceof MediaStream)) return;
  for (const track of video.srcObject.getVideoTracks()) track.addEventListener('ended', ended, { once: true });
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function cameraWords(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return 'The camera was not allowed. The clip and the photos work without it; to use it, allow it in the address bar.';
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError')
    return 'No camera was found. The clip and the photos work without one.';
  if (name === 'NotReadableError' || name === 'AbortError')
    return 'The camera could not be started. Another program may be using it.';
  return `The camera could not be started${name === '' ? '' : ` (${name})`}.`;
}

function firstPicture(video: HTMLVideoElement, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const settle = (act: () => void) => {
      clearTimeout(timer);
      done.abort();
      act();
    };
    const fail = () => settle(() => reject(new SourceError(words)));
    const timer = setTimeout(fail, VIDEO_TIMEOUT_MS);
    video.addEventListener('error', fail, { signal: done.signal });
    // A sound file has data but no picture.
    const look = () => settle(() => (video.videoWidth > 0 ? resolve() : reject(new SourceError(words))));
    video.addEventListener('loadeddata', look, { signal: done.signal });
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) look();
  });
}
