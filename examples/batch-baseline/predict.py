"""The Grand Challenge batch contract, in the standard library: one CT in, one file of likelihoods out."""

import json
from pathlib import Path

from nodule_size import Scan, malignancy

INPUT, OUTPUT = Path("/input"), Path("/output")


def main():
    image = next((INPUT / "images" / "chest-ct").glob("*.mha"))
    scan = Scan(image.read_bytes())
    located = json.loads((INPUT / "nodule-locations.json").read_text())
    for point in located["points"]:
        point["probability"] = malignancy(scan, point["point"])
    # The published name is spelt so; the right spelling is accepted too.
    (OUTPUT / "lung-nodule-malginancy-likelihoods.json").write_text(json.dumps(located))


if __name__ == "__main__":
    main()
