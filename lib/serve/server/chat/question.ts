import { RequestError } from '../errors';

export interface TextPart {
  type: 'text';
  text: string;
}

export interface ImagePart {
  type: 'image_url';
  image_url: { url: string; detail?: 'auto' };
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
}

/**
 * The one picture and the one question of a conversation. Whatever else it holds would not reach the model, and so is refused instead of
 * being left out.
 *
 * @throws RequestError 400
 */
export function questionOf(messages: readonly Message[]): Question {
  const texts: { text: string; param: string }[] = [];
  const pictures: { url: string; param: string }[] = [];
  messages.forEach(({ role, content }, i) => {
    if (role !== 'user') {
      throw unsupported(
        `messages of the role user only: this model reads a picture and a question, but not role ${role}`,
        `messages[${i}].role`,
      );
    }
    if (typeof content === 'string') return void texts.push({ text: content, param: `messages[${i}].content` });
    content.forEach((part, j) => {
      const param = `messages[${i}].content[${j}]`;
      if (part.type === 'text') texts.push({ text: part.text, param: `${param}.text` });
      else pictures.push({ url: part.image_url.url, param: `${param}.image_url.url` });
    });
  });
  const [text, second] = texts;
  const [picture, secondPicture] = pictures;
  if (second) throw unsupported('one text: this model remembers no earlier questions', second.param);
  if (secondPicture) throw unsupported('one picture', secondPicture.param);
  if (!text) throw unsupported('a question: a text part, or a message that is a string', 'messages');
  if (!picture) throw unsupported('a picture: an image_url part', 'messages');
  return { url: picture.url, urlParam: picture.param, text: text.text };
}

function unsupported(what: string, param: string): RequestError {
  return new RequestError(400, 'unsupported_conversation', `Expected ${what}`, param);
}
