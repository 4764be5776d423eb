import json
import os
import sys

how = sys.argv[1]
folder = "/output/"
path = folder + "lung-nodule-malginancy-likelihoods.json"
given = json.load(open("/input/nodule-locations.json"))
points = [point | {"probability": 0.25} for point in given["points"]]
if how == "right_spelling":
    path = path.replace("malginancy", "malignancy")
if how == "missing":
    sys.exit(0)
if how == "exit":
    sys.exit(3)
if how == "input":
    open("/input/x", "w")
if how == "symlink":
    os.symlink("/etc/passwd", path)
    sys.exit(0)
if how == "directory":
    os.mkdir(path)
    sys.exit(0)
if how == "fifo":
    os.mkfifo(path)
    sys.exit(0)
if how == "files":
    for number in range(10_000):
        open(f"{folder}{number}", "w").close()
if how == "huge":
    with open(folder + "huge", "wb") as file:
        for _ in range(1000):
            file.write(bytes(1 << 20))
if how == "extra":
    points.append({"name": "more", "point": [0, 0, 0], "probability": 0.5})
if how == "fewer":
    points.pop()
if how == "twice":
    points.append(points[0])
if how == "nan":
    points[0]["probability"] = float("nan")
if how == "text":
    points[0]["probability"] = "0.5"
text = {"empty": "", "html": "<html>"}.get(how, json.dumps(given | {"points": points}))
open(path, "w").write(text)
