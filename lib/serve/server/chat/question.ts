import type { Framing } from '../../../llm/prompt';
import { RequestError } from '../../request-error';

export interface TextPart {
  type: 'text';
  text: string;
}

export interface ImagePart {
  type: 'image_url';
  image_url: { url: string };
}

export interface Message {
  role: string;
  content: string | (TextPart | ImagePart)[];
}

export interface Question {
  /** The picture's URL, as given, and which field it stood in. */
  url: string;
  urlParam: string;
  text: string;
  textParam: string;
  /** What is said around picture and question, to models with a chat template. */
  framing: Framing;
}

interface Given {
  readonly value: string;
  readonly param: string;
  /** Of the message it stands in. */
  readonly message: number;
  /** Pictures before it. */
  readonly pictures: number;
}

/**
 * The one picture and the one question of a conversation, and where the model has a place for them, a system message before and words
 * before the picture. Whatever else it holds would not reach the model, and so is refused instead of being left out.
 *
 * @param chats whether the model is asked in a chat template
 * @throws RequestError 400
 */
export function questionOf(messages: readonly Message[], chats: boolean): Question {
  const system: Given[] = [];
  const texts: Given[] = [];
  const pictures: Given[] = [];
  messages.forEach(({ role, content }, message) => {
    const param = `messages[${message}]`;
    const isSystem = role === 'system' || role === 'developer';
    if (role !== 'user' && !(chats && isSystem)) throw unsupported(rolesOf(chats, role), `${param}.role`);
    if (isSystem && message > 0) throw unsupported('a system message first', `${param}.role`);
    for (const part of partsOf(content, `${param}.content`)) {
      const given = { value: part.value, param: part.param, message, pictures: pictures.length };
      if (part.isPicture && isSystem) throw unsupported('text in a system message', part.param);
      if (part.isPicture) pictures.push(given);
      else (isSystem ? system : texts).push(given);
    }
  });
  const [picture, secondPicture] = pictures;
  const before = chats ? wordsBefore(texts) : undefined;
  const [text, second] = before ? texts.slice(1) : texts;
  if (second) throw unsupported('one text: this model remembers no earlier questions', second.param);
  if (secondPicture) throw unsupported('one picture', secondPicture.param);
  if (!text) throw unsupported('a question: a text part, or a message that is a string', 'messages');
  if (!picture) throw unsupported('a picture: an image_url part', 'messages');
  const said = system.map(({ value }) => value).join('\n');
  const framing = { ...(said && { system: said }), ...(before && { before: before.value }) };
  return { url: picture.value, urlParam: picture.param, text: text.value, textParam: text.param, framing };
}

function rolesOf(chats: boolean, role: string): string {
  const wanted = chats ? 'messages of the roles system and user only' : 'messages of the role user only';
  return `${wanted}: this model reads a picture and a question, but not role ${role}`;
}

function partsOf(content: Message['content'], param: string) {
  if (typeof content === 'string') return [{ value: content, param, isPicture: false }];
  return content.map((part, j) =>
    part.type === 'text'
      ? { value: part.text, param: `${param}[${j}].text`, isPicture: false }
      : { value: part.image_url.url, param: `${param}[${j}].image_url.url`, isPicture: true },
  );
}

/** Of two texts with the picture between them the first; one text alone is the question, wherever it stands. */
function wordsBefore([first, second]: readonly Given[]): Given | undefined {
  const around = first?.pictures === 0 && second?.pictures === 1 && first.message === second.message;
  return around ? first : undefined;
}

function unsupported(what: string, param: string): RequestError {
  return new RequestError(400, 'unsupported_conversation', `Expected ${what}`, param);
}
