# SPDX-License-Identifier: Apache-2.0
"""A real recogniser reads real text through the daemon: six lines drawn with DejaVu Sans, by gRPC and by
REST, one after the other and, where widths agree, in one batch."""
import os
import unittest

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from PIL import Image, ImageDraw, ImageFont

from harness import SHARED, Daemon

MODEL = os.path.join(SHARED, "models/onnx/ch_PP-OCRv4_rec_infer/ch_PP-OCRv4_rec_infer.onnx")
KEYS = os.path.join(SHARED, "models/onnx/ppocr_keys_v1.txt")
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
TEXTS = ["Hello World 2024", "mindserve", "The quick brown fox", "Invoice No. 48213", "REST and gRPC", "192.168.10.42:50051"]


def picture(text, width=None):
    """48 pixels high, black on white, 10 pixels of margin: BGR, (x / 255 - 0.5) / 0.5, [1,3,48,W]."""
    font = ImageFont.truetype(FONT, 32)
    width = width or int(font.getlength(text)) + 20
    image = Image.new("RGB", (width, 48), "white")
    ImageDraw.Draw(image).text((10, 4), text, font=font, fill="black")
    pixels = np.asarray(image, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray((pixels / 255 - 0.5) / 0.5)[None]


def decode(probabilities, keys):
    """Greedy CTC: best class at each step, repeats joined, blank (0) dropped."""
    best, last, text = probabilities.argmax(1), 0, ""
    for k in best:
        if k != last and k:
            text += keys[k - 1]
        last = k
    return text.strip()


class Ocr(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for path in (MODEL, KEYS, FONT):
            if not os.path.exists(path):
                raise unittest.SkipTest(f"{path} is not here")
        with open(KEYS, encoding="utf-8") as f:
            cls.keys = [line.rstrip("\n") for line in f] + [" "]
        cls.d = Daemon().start()
        cls.addClassCleanup(cls.d.stop)
        with open(MODEL, "rb") as f:
            cls.d.deploy("rec", f.read())
        cls.input = cls.d.json("GET", "/v2/models/rec")["inputs"][0]["name"]

    def ask(self, module, client, x):
        i = module.InferInput(self.input, list(x.shape), "FP32")
        i.set_data_from_numpy(x)
        r = client.infer("rec", [i])
        name = (r.get_response().outputs[0].name if module is grpc else r.get_response()["outputs"][0]["name"])
        return r.as_numpy(name)

    def test_grpc(self):
        c = grpc.InferenceServerClient(self.d.grpc)
        self.assertEqual([decode(self.ask(grpc, c, picture(t))[0], self.keys) for t in TEXTS], TEXTS)

    def test_rest(self):
        c = http.InferenceServerClient(self.d.http)
        self.assertEqual([decode(self.ask(http, c, picture(t))[0], self.keys) for t in TEXTS], TEXTS)

    def test_one_batch(self):
        width = max(picture(t).shape[3] for t in TEXTS)
        x = np.concatenate([picture(t, width) for t in TEXTS])
        together = self.ask(grpc, grpc.InferenceServerClient(self.d.grpc), x)
        self.assertEqual([decode(y, self.keys) for y in together], TEXTS)


if __name__ == "__main__":
    unittest.main()
