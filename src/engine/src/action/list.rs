//! What the list of kinds of actions becomes: one type for each group of kinds, and one for all.
//! The list itself is in `mod.rs`.

use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

use super::{
    Action, Direction, Effect, EffectKind, Environment, Package, Secret, Service, Target,
    TargetKind,
};
use crate::names::Placeholder;
use crate::value::Text;

macro_rules! kinds {
    ($($(#[$doc:meta])* $group:ident as $trait:ident { $($name:literal => $kind:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
            #[serde(tag = "kind")]
            #[expect(missing_docs, reason = "each kind documents itself")]
            pub enum $group { $(#[serde(rename = $name)] $kind($kind),)* }

            impl $group {
                fn parse(kind: &str, fields: Json) -> Option<serde_json::Result<$group>> {
                    match kind {
                        $($name => Some(serde_json::from_value(fields).map($group::$kind)),)*
                        _ => None,
                    }
                }

                /// Returns the kind as it is called in JSON.
                pub fn kind(&self) -> &'static str {
                    match self { $($group::$kind(_) => $name,)* }
                }

                fn get_mut(&mut self) -> &mut dyn $trait {
                    match self { $($group::$kind(kind) => kind,)* }
                }
            }

            impl std::ops::Deref for $group {
                type Target = dyn $trait;

                fn deref(&self) -> &(dyn $trait + 'static) {
                    match self { $($group::$kind(kind) => kind,)* }
                }
            }

            $(
                impl From<$kind> for Action {
                    fn from(kind: $kind) -> Action {
                        Action::$group($group::$kind(kind))
                    }
                }
            )*
        )*

        /// One action that an activation recorded.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Action { $($(#[$doc])* $group($group),)* }

        impl Action {
            /// Reads the action of a kind; `None` when there is no such kind.
            pub fn parse(
                kind: &str,
                fields: Map<String, Json>,
            ) -> Option<serde_json::Result<Action>> {
                let fields = Json::Object(fields);
                None$(.or_else(|| Some($group::parse(kind, fields.clone())?.map(Action::$group))))*
            }

            /// Returns the kind as it is called in JSON.
            pub fn kind(&self) -> &'static str {
                match self { $(Action::$group(action) => action.kind(),)* }
            }

            /// Returns every text that may hold placeholders.
            pub fn texts(&self) -> Vec<&Text> {
                match self { $(Action::$group(action) => action.texts(),)* }
            }

            fn texts_mut(&mut self) -> Vec<&mut Text> {
                match self { $(Action::$group(action) => action.get_mut().texts_mut(),)* }
            }

            fn starts_mut(&mut self) -> Vec<&mut Text> {
                match self { $(Action::$group(action) => action.get_mut().starts_mut(),)* }
            }
        }
    };
}

/// What an action is about, for people.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its target.
    pub target: Option<Text>,
    /// The name of what it sets.
    pub name: Option<String>,
    /// What it puts there or does.
    pub detail: Text,
}

impl Action {
    /// Returns the action with every placeholder replaced by its path.
    ///
    /// # Errors
    /// The first placeholder that `path` does not know.
    pub fn resolve(
        &self,
        path: &impl Fn(Placeholder) -> Option<Vec<u8>>,
    ) -> Result<Action, Placeholder> {
        let mut action = self.clone();
        for text in action.texts_mut() {
            if Placeholder::may_be_in(&text.0) {
                text.0 = Placeholder::resolve(&text.0, path)?;
            }
        }
        Ok(action)
    }

    /// Returns whether it is the link that another one is once its placeholder is a path:
    /// [`Action::resolve`] for most actions of most applies, without making it.
    pub fn is_link_of(
        &self,
        declared: &Action,
        path: &impl Fn(Placeholder) -> Option<Vec<u8>>,
    ) -> bool {
        match (self, declared) {
            (Action::Target(Target::Link(link)), Action::Target(Target::Link(declared))) => {
                link.is_of(declared, path)
            }
            _ => false,
        }
    }

    /// Changes the texts that may begin with `~/`.
    pub fn change_starts(&mut self, change: impl Fn(&Text) -> Text) {
        for text in self.starts_mut() {
            *text = change(text);
        }
    }

    /// Returns the action as people read it where another home is the present one.
    #[must_use]
    pub fn in_home(&self, home: &Path) -> Action {
        let mut action = self.clone();
        action.change_starts(|text| text.expand_home(home));
        action
    }

    /// Returns the target, if that is its group.
    pub fn as_target(&self) -> Option<&Target> {
        if let Action::Target(target) = self { Some(target) } else { None }
    }

    /// Returns the same, to be changed.
    pub fn as_target_mut(&mut self) -> Option<&mut dyn TargetKind> {
        if let Action::Target(target) = self { Some(target.get_mut()) } else { None }
    }

    /// Returns the secret, if it is one: then its content is never shown.
    pub fn as_secret(&self) -> Option<&Secret> {
        match self {
            Action::Environment(Environment::SecretScript(script)) => Some(&script.secret),
            _ => self.as_target().and_then(Target::as_secret),
        }
    }

    /// Returns the same, to be changed.
    pub fn as_secret_mut(&mut self) -> Option<&mut Secret> {
        match self {
            Action::Target(Target::Secret(secret)) => Some(secret),
            Action::Environment(Environment::SecretScript(script)) => Some(&mut script.secret),
            _ => None,
        }
    }

    /// Returns the effect, if it is one, for changes.
    pub fn as_effect_mut(&mut self) -> Option<&mut dyn EffectKind> {
        if let Action::Effect(effect) = self { Some(effect.get_mut()) } else { None }
    }

    /// Returns the part of the environment, if that is its group.
    pub fn as_environment(&self) -> Option<&Environment> {
        if let Action::Environment(part) = self { Some(part) } else { None }
    }

    /// Returns the effect, if that is its group.
    pub fn as_effect(&self) -> Option<&Effect> {
        if let Action::Effect(effect) = self { Some(effect) } else { None }
    }

    /// Returns the service, if it has one run.
    pub fn as_service(&self) -> Option<&Service> {
        if let Action::Enablement(enablement) = self { Some(enablement.service()) } else { None }
    }

    /// Returns the package of the system, if it has one installed.
    pub fn as_package(&self) -> Option<&Package> {
        if let Action::Requirement(requirement) = self { Some(requirement.package()) } else { None }
    }

    /// Returns the target of an action that has one.
    pub fn target(&self) -> Option<&Text> {
        self.as_target().map(|target| target.target())
    }

    /// Returns its subject; equal for an action and its replacement.
    pub fn subject(&self) -> Vec<u8> {
        match self {
            Action::Target(target) => [b"T".as_slice(), &target.target().0].concat(),
            Action::Environment(part) => [b"V".as_slice(), &part.subject()].concat(),
            Action::Effect(effect) => [b"E".as_slice(), &effect.key()].concat(),
            Action::Enablement(enablement) => {
                let service = enablement.service();
                format!("S{:?} {}", service.scope, service.name).into_bytes()
            }
            Action::Requirement(requirement) => {
                let package = requirement.package();
                format!("P{} {}", package.manager, package.package).into_bytes()
            }
        }
    }

    /// Returns the description for people of it or of its undo.
    pub fn describe(&self, direction: Direction) -> Description {
        match self {
            Action::Target(target) => Description {
                target: Some(target.target().clone()),
                name: None,
                detail: target.detail(),
            },
            Action::Environment(part) => Description {
                target: None,
                name: part.name().map(str::to_owned),
                detail: part.detail(),
            },
            Action::Effect(effect) => Description {
                target: None,
                name: None,
                detail: Text(effect.describe(direction).into_bytes()),
            },
            Action::Enablement(enablement) => Description {
                target: None,
                name: Some(enablement.service().name.clone()),
                detail: Text::default(),
            },
            Action::Requirement(requirement) => Description {
                target: None,
                name: Some(requirement.package().package.clone()),
                detail: Text(requirement.package().manager.clone().into_bytes()),
            },
        }
    }
}

impl Target {
    /// Returns whether two put the same at their targets, wherever these are.
    pub fn puts_same(&self, other: &Target) -> bool {
        self.kind() == other.kind() && self.content() == other.content()
    }

    /// Returns the secret that it is, if it is one.
    pub fn as_secret(&self) -> Option<&Secret> {
        if let Target::Secret(secret) = self { Some(secret) } else { None }
    }

    /// Returns whether nothing has to be done if `old` is applied and the target is right.
    pub fn continues(&self, old: &Target) -> bool {
        self.kind() == old.kind() && self.state() == old.state()
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
        use serde::de::Error;
        let mut fields = Map::deserialize(deserializer)?;
        let Some(Json::String(kind)) = fields.remove("kind") else {
            return Err(D::Error::missing_field("kind"));
        };
        let action = Action::parse(&kind, fields);
        action
            .ok_or_else(|| D::Error::custom(format!("there is no action {kind:?}")))?
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::action::*;
    use crate::variable::VariableValue;

    #[test]
    fn actions_survive_json() {
        let value = VariableValue::List { entries: vec!["~/bin".into()], separator: ":".into() };
        let actions: Vec<Action> = vec![
            Link { mutable: true, tree: Some("/".into()), ..Link::new("/a".into(), "~/b".into()) }
                .into(),
            Link { through: Some("/t/x".into()), ..Link::new("/a/x".into(), "~/b".into()) }.into(),
            Directory { target: "~/b".into(), mode: Some("700".into()), ..Directory::default() }
                .into(),
            Absent { target: "~/b".into() }.into(),
            File {
                source: "/a".into(),
                target: "~/b".into(),
                mode: Some("600".into()),
                ..File::default()
            }
            .into(),
            PathEntry { directory: "~/bin".into() }.into(),
            Function { name: "f".into(), bodies: [("sh".to_owned(), "true".into())].into() }.into(),
            Variable { name: "PATH".into(), value }.into(),
            Run { command: Command::Line("true".into()), ..Run::default() }.into(),
            Service { name: "web".into(), linger: true, ..Service::default() }.into(),
            Package { manager: "apt".into(), package: "git".into() }.into(),
        ];
        for action in actions {
            let json = serde_json::to_string(&action).unwrap();
            assert!(json.starts_with(&format!(r#"{{"kind":"{}","#, action.kind())), "{json}");
            assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
        }
        for wrong in
            [r#"{"kind":"symlink","source":"/a","target":"/b","x":1}"#, r#"{"kind":"x"}"#, "{}"]
        {
            assert!(serde_json::from_str::<Action>(wrong).is_err(), "{wrong}");
        }
    }
}
