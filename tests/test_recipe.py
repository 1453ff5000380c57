"""Recipes: defaults, errors with a way out, and writing one back."""

import pytest

from comparisons.recipe import Recipe, RecipeError, built_in_recipes, load_recipe
from scratch.optimizers import SGD, Adam


def test_the_default_recipe():
    recipe = load_recipe()
    model = recipe.model(784, 10)
    assert model.widths == (784, 16, 16, 16, 16, 10)
    assert model.layer_names == ("dense_1", "relu_1", "dense_2", "relu_2", "dense_3")
    assert model.size == 13_002
    assert recipe.build_optimizer("torch") == Adam(0.001, 0.9, 0.999, 1e-8, convention="torch")
    assert "default" in built_in_recipes()


def test_a_recipe_written_out_reads_back_the_same(tmp_path):
    text = """
    title = 'a "quoted" title, é'
    [network]
    hidden = [5, 4]
    activation = "tanh"
    initializer = { name = "uniform", low = -0.1, high = 1e-3 }
    bias = false
    [loss]
    name = "mean_squared_error"
    reduction = "half_batchmean"
    [optimizer]
    name = "nesterov"
    learning_rate = 1e-05
    """
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    recipe = load_recipe(path)
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert recipe.build_optimizer("paper") == SGD(1e-5, 0.9, nesterov=True)
    assert recipe.one_hot(recipe.model(4, 3))


BAD = {
    "[optimizer]\nlearnin_rate = 0.1": r'optimizer.learnin_rate: there is no such entry; did you mean "learning_rate"\?',
    "[optimiser]\nname = 'adam'": r'optimiser: there is no such entry; did you mean "optimizer"\?',
    "[optimizer]\nname = 'adan'": r'optimizer.name: "adan" is not known; did you mean "adam"\? Allowed: sgd, momentum',
    "[data]\nname = 'mnist5k'": r'data.name: "mnist5k" is not known; did you mean "mnist-5k"\?',
    "[training]\nepochs = 0": "training.epochs: 0 does not fit",
    "[training]\nepochs = 'many'": 'training.epochs: "many" does not fit; it should be a valid integer',
    "[optimizer]\nlearning_rate = -1.0": "optimizer.learning_rate: -1.0 does not fit",
    "[optimizer]\nlearning_rate = nan": "optimizer.learning_rate: .* does not fit; it should be a finite number",
    "[network]\nhidden = [16, 0]": "network.hidden.1: 0 does not fit",
    "[network]\ninitializer = 'he_norml'": r'network.initializer: there is no initializer "he_norml"; did you mean "he_normal"\?',
    "[network]\ninitializer = { name = 'uniform', high = -1.0 }": "network.initializer: uniform: low = -0.05 is not below",
    "[network]\ninitializer = { name = 'zeros', low = 1.0 }": "zeros does not take these arguments: low",
    "[network]\ninitializer = { name = 'normal', standard_deviation = 'a' }": "standard_deviation = a is not a number between",
    "[network]\ninitializer = { name = 'normal', standard_deviation = nan }": "standard_deviation = nan is not a number between",
    "[network]\ninitializer = { low = 1.0 }": "network.initializer: it should be a name, or a table such as",
    "[network]\ninitializer = 5": "network.initializer: it should be a name, or a table such as",
    "[optimizer]\nlearning_rate = 1e40": "optimizer.learning_rate: 1e\\+40 does not fit",
    "data = 3": "data: 3 does not fit",
    "title = ": "not valid TOML",
    "[loss]\nreduction = 'none'\n[training]\nseed = -1": r"and 1 more",
    "[network]\nactivation = 'rely'": r'network.activation: "rely" is not known; did you mean "relu"\? Allowed: linear',
    "[network]\nactivation = ['relu']": "network: activation lists 1 names for 2 hidden layers. Give one for each",
    "[data]\nclasses = [3, 3]": r"data.classes: \[3, 3\] names a class twice",
    "[data]\nscaling = '/256'": r'data.scaling: "/256" is not known; did you mean "/255"\?',
    "[training]\nbatch_size = 1.5": r'training.batch_size: 1.5 does not fit; it should be a number of images, a share such as 0.02, or "all"',
    "[schedule]\nname = 'step'\nperiode = 3": "schedule: step cannot be made of periode = 3. Its numbers are: period, factor",
    "[schedule]\nname = 'reduce_on_plateau'\nper = 'step'": "schedule: reduce_on_plateau watches the loss of epochs",
    "mistakes = ['moments_resett']": r'mistakes.0: "moments_resett" is not known; did you mean "moments_reset"\?',
    "mistakes = ['stale_deltas']": "stale_deltas is that of one hidden layer, linear or a relu with missing_relu_mask",
    "[training]\ngenerator = 'legacy'\n[network]\ndropout = 0.2": "the legacy stream keeps every second unit",
    "[optimizer]\nname = 'sgd'\nbeta_1 = 0.5": "optimizer: sgd has no beta_1. Leave it out.",
    "mistakes = ['moments_reset']\n[network]\ndropout = 0.5": "moments per example are Adam's, in a network without dropout",
    "[network]\nhidden = 32": r"network.hidden: 32 does not fit; it should be a list in square brackets, such as \[32\].",
    "[network]\nactivation = [['relu']]": "network.activation: .* is not known",
    "[phases]\nepochs = 3": r"phases: it should be a list of tables. Write \[\[phases\]\] over each of them.",
    "schedule = 'step'": 'schedule: "step" does not fit; it should be a table',
    "[training]\ngenerator = 'legacy'\nseed = 99999999999": "training.seed: the legacy generator takes seeds below 2",
    "[optimizer]\nlr = 0.1": r'optimizer.lr: there is no such entry; did you mean "learning_rate"\?',
    "[loss]\nname = 'cross_entropy'": r'loss.name: "cross_entropy" is not known; did you mean "softmax_cross_entropy"\?',
    "[[phases]]\nepoch = 3": r'phases.0.epoch: there is no such entry; did you mean "epochs"\?',
    "[[phases]]\n[[phases]]\nepochs = 0": "phases.1.epochs: 0 does not fit",
    "[[phases]]\nloss = { name = 'logistic' }": r'phases.0.loss.name: "logistic" is not known',
    "[[phases]]\ndropout = 2.0": "phases.0.dropout: 2.0 does not fit",
    "[[phases]]\noptimizer = { rate = 0.1 }": "phases.0.optimizer.rate: there is no such entry",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_recipes_say_where_what_and_what_instead(text, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=BAD[text]) as caught:
        load_recipe(path)
    assert str(caught.value).count("\n") == 0
    assert "mine.toml" in str(caught.value)


def test_what_only_shows_when_the_model_is_built():
    with pytest.raises(RecipeError, match=r"loss.reduction: softmax_cross_entropy: there is no reduction"):
        Recipe.model_validate({"loss": {"reduction": "batchmean"}}).model(4, 3)
    with pytest.raises(RecipeError, match=r"loss.targets: mean_squared_error takes no class indices"):
        Recipe.model_validate({"loss": {"name": "mean_squared_error", "targets": "indices"}}).model(4, 3)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(RecipeError, match=r'no recipe "defualt"; did you mean "default"\?'):
        load_recipe("defualt")
    with pytest.raises(RecipeError, match="it is a folder"):
        load_recipe(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read as text"):
        load_recipe(binary)


def test_overrides():
    recipe = load_recipe(load_recipe(), {"training": {"epochs": 1}})
    assert (recipe.training.epochs, recipe.title) == (1, load_recipe().title)
    assert load_recipe(overrides={"training": {"epochs": 7}}).training.epochs == 7
    with pytest.raises(RecipeError, match=r"training.epochs"):
        load_recipe(overrides={"training": {"epochs": 0}})


PHASES = """
title = "two phases"
mistakes = ["missing_relu_mask"]
[data]
classes = [8, 3]
scaling = "(x-128)/128"
[network]
hidden = [7, 2]
activation = ["relu", "linear"]
outputs = 1
[loss]
name = "binary_cross_entropy"
[optimizer]
name = "momentum"
learning_rate = 0.1
[[phases]]
title = "first"
epochs = 4
batch_size = 0.02
optimizer.learning_rate = 0.2
[[phases]]
keep_optimizer_state = false
train_above = 0.105
loss = { name = "mean_squared_error" }
output = "sigmoid"
dropout = 0.5
schedule = { name = "piecewise", boundaries = [2, 3], factors = [0.5, 0.1], per = "step" }
"""


def test_phases_are_recipes_over_the_tables_above_them(tmp_path):
    path = tmp_path / "phases.toml"
    path.write_text(PHASES)
    recipe = load_recipe(path)
    first, second = recipe.stages
    assert (first.training.epochs, second.training.epochs, recipe.epochs) == (4, 3, 7)
    assert (first.optimizer.learning_rate, second.optimizer.learning_rate) == (0.2, 0.1)
    assert (first.loss.name, second.loss.name) == ("binary_cross_entropy", "mean_squared_error")
    assert first.model(784, 2).layer_names == ("dense_1", "relu_without_mask_1", "dense_2", "dense_3")
    names = ("dense_1", "relu_without_mask_1", "dropout_1", "dense_2", "dropout_2", "dense_3", "sigmoid_1")
    assert second.model(784, 2).layer_names == names
    assert first.model(784, 2).widths[-1] == 1
    assert (first.rows_per_batch(1000), second.rows_per_batch(1000)) == (20, 32)
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe


@pytest.mark.parametrize("name", built_in_recipes())
def test_the_built_in_recipes_read_build_and_read_back(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.title
    classes = len(recipe.data.classes or range(10))
    for stage in recipe.stages:
        stage.model(784, classes)
        stage.build_optimizer("paper")
    path = tmp_path / "again.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_one_output_tells_two_classes_apart_and_no_more():
    one = load_recipe(overrides={"network": {"outputs": 1}})
    with pytest.raises(RecipeError, match=r"network.outputs: 1 cannot tell 10 classes apart"):
        one.model(784, 10)


def test_a_schedule_follows_the_run_where_it_is_not_told_otherwise():
    def rates(length, **table):
        schedule = load_recipe(overrides={"schedule": table}).schedule.build(0.001, length, float)
        return [schedule.rate(t) for t in (0, length)]

    assert rates(7, name="cosine") == pytest.approx([0.001, 0.0001])
    assert rates(7, name="linear", end=0.0) == pytest.approx([0.001, 0.0])
    assert rates(25, name="warm_up") == pytest.approx([0.0001, 0.001])
    assert rates(20, name="cosine", steps=10, end=0.0005)[1] == pytest.approx(0.0005)
