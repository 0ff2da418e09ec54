/** Which source is on the stage: switching, falling back, pausing. The newest wish wins, however long the older one takes. */
import { SourceError, closeVideo, fetchPhotos, photoUrl, showCamera, showImage, showVideo, whenCameraEnds } from './sources';
import type { SourceKind, State } from './state';

export interface PictureHost {
  readonly video: HTMLVideoElement;
  readonly still: HTMLCanvasElement;
  readonly base: string;
  readonly get: () => State;
  readonly change: (patch: Partial<State>) => void;
  /** The stage shows something new, or plays, or pauses: the runtime has to look anew. */
  readonly changed: () => void;
}

export interface Picture {
  choose(kind: Exclude<SourceKind, 'file'>): Promise<void>;
  choosePhoto(index: number): Promise<void>;
  chooseFile(file: File): Promise<void>;
  setPlaying(playing: boolean): void;
  /** What the runtime should read; null while there is nothing to see. */
  element(): HTMLVideoElement | HTMLCanvasElement | null;
}

/** How the opening of a source ended; `stale`: a newer wish came in between, and the stage is no longer this one's. */
type Opening = 'shown' | 'stale' | 'failed';

export function createPicture(host: PictureHost): Picture {
  const { video, still, base, get, change } = host;
  let wish = 0;
  let fileUrl = '';

  /** Opens a source; on failure says why and goes on with what was there before. */
  const open = async (kind: SourceKind, act: (stale: () => boolean) => Promise<Partial<State>>): Promise<Opening> => {
    const mine = ++wish;
    const stale = () => mine !== wish;
    change({ notice: '' });
    try {
      const patch = await act(stale);
      if (stale()) return 'stale';
      change({ source: kind, ...patch });
      if (patch.showing === 'still') closeVideo(video);
      play();
      host.changed();
      return 'shown';
    } catch (error) {
      if (stale()) return 'stale';
      change({ notice: words(error) });
      // The attempt may have taken the video away from the source before.
      if (get().showing === 'video' && !isAlive(video)) change({ showing: null, source: null, sourceTitle: '' });
      return 'failed';
    }
  };

  const play = () => {
    const { playing, showing } = get();
    if (showing !== 'video') return;
    if (!playing) return video.pause();
    // A browser may refuse to play by itself; the button then starts it.
    video.play().catch(() => change({ playing: false }));
  };

  const openPhoto = (index: number) =>
    open('photos', async (stale) => {
      if (get().photos.length === 0) change({ photos: await fetchPhotos(base) });
      const photo = get().photos[index] ?? get().photos[0];
      if (photo === undefined) throw new SourceError('There are no sample photos on this site.');
      await showImage(still, photoUrl(photo, base), photo.title, stale);
      return { showing: 'still', photo: index, sourceTitle: `${photo.title}. ${photo.author}, ${photo.licence}.` };
    });

  /** When nothing is on the stage, a failed source must not leave it empty while the clip or a photo would work. */
  const fallBack = async () => {
    if (get().showing !== null) return;
    const { notice } = get();
    let opened = await openClip();
    if (opened === 'failed') opened = await openPhoto(0);
    if (opened === 'stale') return;
    if (opened === 'failed') change({ source: null, showing: null, sourceTitle: '' });
    if (notice !== '') change({ notice });
  };

  const openClip = () =>
    open('clip', async () => {
      await showVideo(video, new URL('samples/clip.webm', base).href, 'The clip');
      return { showing: 'video', sourceTitle: 'A slow pan over the sample photos.' };
    });

  const openCamera = () =>
    open('camera', async (stale) => {
      await showCamera(video, stale);
      whenCameraEnds(video, () => {
        if (get().source !== 'camera') return;
        change({ notice: 'The camera stopped.', showing: null, source: null, sourceTitle: '' });
        void fallBack();
      });
      return { showing: 'video', sourceTitle: 'Your camera. Its pictures stay on this device.', playing: true };
    });

  return {
    async choose(kind) {
      const opened = kind === 'camera' ? await openCamera() : kind === 'clip' ? await openClip() : await openPhoto(get().photo);
      if (opened === 'failed') await fallBack();
    },
    async choosePhoto(index) {
      await openPhoto(index);
    },
    async chooseFile(file) {
      const name = file.name === '' ? 'The pasted picture' : file.name;
      const url = URL.createObjectURL(file);
      const opened = await open('file', async (stale) => {
        if (file.type.startsWith('video/')) {
          await showVideo(video, url, name);
          return { showing: 'video', sourceTitle: name };
        }
        if (!file.type.startsWith('image/')) throw new SourceError(`“${name}” is neither an image nor a video.`);
        await showImage(still, url, name, stale);
        return { showing: 'still', sourceTitle: name };
      });
      // One file at a time stays in memory; a refused or superseded one leaves the file on the stage alone.
      URL.revokeObjectURL(opened === 'shown' ? fileUrl : url);
      if (opened === 'shown') fileUrl = url;
      if (opened === 'failed') await fallBack();
    },
    setPlaying(playing) {
      change({ playing });
      play();
      host.changed();
    },
    element() {
      const { showing } = get();
      return showing === 'video' ? video : showing === 'still' ? still : null;
    },
  };
}

/** A video that has a picture to show. */
function isAlive(video: HTMLVideoElement): boolean {
  return video.error === null && video.videoWidth > 0;
}

function words(error: unknown): string {
  if (error instanceof SourceError) return error.message;
  return `This source could not be opened: ${error instanceof Error ? error.message : String(error)}.`;
}
